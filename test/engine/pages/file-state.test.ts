import { execFileSync } from 'node:child_process'
import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import Database from 'better-sqlite3'
import { bootId, isUnchanged, type FileState } from '../../../src/engine/pages/file-state.ts'
import { pinPages } from '../../../src/engine/pages/page-source.ts'
import { makeDatabase, type JournalMode } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

/** The files' state, their times so long past as a test does not want to wait for; ctime is that of now all the same. */
const stateOf = (path: string): FileState => ({ ...pinnedState(path), isSettled: true })

function pinnedState (path: string): FileState {
  const database = new Database(path)
  const state = pinPages(database).state as FileState
  database.close()
  return state
}

function inUse (t: Test, journalMode: JournalMode = 'wal'): { path: string, application: Database.Database } {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path, { journalMode })
  t.teardown(() => { application.close() })
  return { path, application }
}

for (const journalMode of ['wal', 'delete', 'truncate', 'persist'] as const) {
  t.test(`journal mode ${journalMode}: files nobody writes to are unchanged, one update changes them`, async t => {
    const { path, application } = inUse(t, journalMode)
    const before = stateOf(path)
    t.ok(isUnchanged(before, stateOf(path)))
    application.exec('SELECT * FROM items')
    t.ok(isUnchanged(before, stateOf(path)), 'reading changes nothing')
    application.exec("UPDATE items SET text = 'other' WHERE id = 1")
    t.notOk(isUnchanged(before, stateOf(path)))
  })
}

t.test('an update that is checkpointed, the log removed, is a change, though size and change counter are the same', async t => {
  const { path, application } = inUse(t)
  application.close()
  const before = stateOf(path)
  const again = new Database(path)
  again.exec("UPDATE items SET text = 'tent 1' WHERE id = 1")
  again.close()
  t.notOk(isUnchanged(before, stateOf(path)))
})

t.test('a log that was begun anew with as many frames is a change', async t => {
  const { path, application } = inUse(t)
  application.pragma('wal_checkpoint(TRUNCATE)')
  application.exec("UPDATE items SET text = 'a' WHERE id = 1")
  const before = stateOf(path)
  application.pragma('wal_checkpoint(RESTART)')
  application.exec("UPDATE items SET text = 'b' WHERE id = 1")
  t.notOk(isUnchanged(before, { ...stateOf(path), file: before.file, header: before.header }), 'by the log alone')
})

t.test('another file in its place is a change, however much its times are alike', async t => {
  const { path, application } = inUse(t, 'delete')
  application.close()
  const before = stateOf(path)
  execFileSync('cp', ['-p', path, `${path}.copy`])
  execFileSync('mv', [`${path}.copy`, path])
  t.notOk(isUnchanged(before, stateOf(path)))
})

const realNow = Date.now.bind(Date)

t.test('times are settled once no later write can have the same ones', async t => {
  const { path, application } = inUse(t, 'delete')
  application.close()
  const settledAt = (secondsAgo: number): boolean => {
    utimesSync(path, 1, Date.now() / 1000 - secondsAgo)
    t.intercept(Date, 'now', { value: () => realNow() + 10_000 }) // ctime cannot be set
    const isSettled = pinnedState(path).isSettled
    t.intercept(Date, 'now', { value: realNow })
    return isSettled
  }
  t.ok(settledAt(-5), 'written 15 s before, changed 10 s before')
  t.notOk(settledAt(-9.5), 'written a moment before')
  t.notOk(settledAt(-60), 'written in the future')
  t.notOk(pinnedState(path).isSettled, 'changed a moment before')
})

t.test('after a new start of the machine, times prove nothing', async t => {
  const { path } = inUse(t)
  const state = stateOf(path)
  t.match(state.boot, /^[0-9a-f-]{36}$/)
  t.equal(bootId('/no/such/file'), '', 'as on systems that do not count them')
  t.notOk(isUnchanged({ ...state, boot: 'an earlier one' }, state))
})

t.test('what is not settled, or not known, may have changed', async t => {
  const { path } = inUse(t)
  const state = stateOf(path)
  t.notOk(isUnchanged({ ...state, isSettled: false }, state))
  t.notOk(isUnchanged(null, state))
  t.notOk(isUnchanged(state, null))
})
