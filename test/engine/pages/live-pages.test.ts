import Database from 'better-sqlite3'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { copyDatabase } from '../../../src/engine/apply/copy-database.ts'
import { kindOf } from '../../../src/engine/database-kind.ts'
import { LivePages } from '../../../src/engine/pages/live-pages.ts'
import { completeSafetyCopy } from '../../../src/engine/apply/safety-copy.ts'
import type { FileState } from '../../../src/engine/pages/file-state.ts'
import { addRows, makeDatabase, type JournalMode } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

interface Copied { application: Database.Database, live: LivePages, copiedAt: FileState, copy: string, folder: string }

/** A database in use, and a copy of it that is to become a safety copy. */
async function copied (t: Test, journalMode: JournalMode = 'wal', before = (_application: Database.Database): unknown => null): Promise<Copied> {
  const folder = testFolder(t)
  const [path, copy] = [join(folder, 'app.db'), join(folder, 'copy.db')]
  const application = makeDatabase(path, { journalMode, rows: 2000 })
  t.teardown(() => { application.close() })
  before(application)
  const copiedAt = await copySettled(path, copy)
  return { application, live: new LivePages(path, kindOf(application)), copiedAt, copy, folder }
}

/** Copies a database; its times are taken to be so long past as a test does not want to wait for. */
async function copySettled (path: string, copy: string): Promise<FileState> {
  return { ...await copyDatabase({ source: { path, lockTimeoutMs: 1000 }, copy }) as FileState, isSettled: true }
}

/** The safety copy, completed under the write lock, is what the database holds. */
function checkCompleted (t: Test, { application, live, copiedAt, copy, folder }: Copied): number | null {
  application.exec('BEGIN IMMEDIATE')
  const changed = live.changedSince(copiedAt)
  const path = join(folder, 'safety.db')
  completeSafetyCopy({ partial: copy, path, latest: null }, live.committed(), changed)
  application.exec('COMMIT')
  const fresh = new Database(application.name)
  t.ok(readFileSync(path).equals(fresh.serialize()), 'byte for byte')
  fresh.close()
  return changed === null ? null : changed.length
}

t.test('of a log that only grew, the pages in the new frames are all there is to copy', async t => {
  const state = await copied(t)
  state.application.exec("UPDATE items SET text = 'other' WHERE id = 7")
  const frames = checkCompleted(t, state)
  t.ok(frames !== null && frames > 0 && frames < 10)
})

t.test('nothing is to be copied of a database that nobody has written to since', async t => {
  t.equal(checkCompleted(t, await copied(t)), 0)
})

t.test('of a database that grew, or was cut, too', async t => {
  const state = await copied(t)
  addRows(state.application, 500)
  state.application.exec('DELETE FROM items WHERE id > 300; VACUUM')
  t.ok(checkCompleted(t, state) !== null)
})

for (const [how, replace] of Object.entries({
  'written over': (path: string, other: string) => { writeFileSync(path, readFileSync(other)) },
  'replaced by another': (path: string, other: string) => { renameSync(other, path) }
})) {
  t.test(`of a file that was ${how} past SQLite, beside a log without frames, everything is compared`, async t => {
    const state = await copied(t)
    const { name: path } = state.application
    state.application.close()
    const other = join(state.folder, 'other.db')
    makeDatabase(other, { rows: 1500 }).close()
    const copiedAt = await copySettled(path, join(state.folder, 'copy-2.db'))
    replace(path, other)
    const application = new Database(path)
    t.teardown(() => { application.close() })
    application.pragma('user_version')
    t.equal(checkCompleted(t, { ...state, application, copy: join(state.folder, 'copy-2.db'), copiedAt, live: new LivePages(path, kindOf(application)) }), null)
  })
}

t.test('a log that was begun anew does not tell, nor does a database without one', async t => {
  const state = await copied(t)
  state.application.pragma('wal_checkpoint(RESTART)')
  state.application.exec("UPDATE items SET text = 'other' WHERE id = 7")
  t.equal(checkCompleted(t, state), null)
  const plain = await copied(t, 'delete')
  plain.application.exec("UPDATE items SET text = 'other' WHERE id = 7")
  t.equal(checkCompleted(t, plain), null)
})

t.test('of a log that was empty, all frames are new', async t => {
  const state = await copied(t, 'wal', application => { application.pragma('wal_checkpoint(TRUNCATE)') })
  t.equal(state.copiedAt.log, null)
  state.application.exec("UPDATE items SET text = 'other' WHERE id = 7")
  const frames = checkCompleted(t, state)
  t.ok(frames !== null && frames > 0 && frames < 10)
})

t.test('a log that was emptied since does not tell, though its frames are in the file', async t => {
  const state = await copied(t)
  state.application.exec("UPDATE items SET text = 'other' WHERE id = 7")
  state.application.pragma('wal_checkpoint(TRUNCATE)')
  t.equal(checkCompleted(t, state), null)
})

t.test('a file that may have been written to within the same tick of its clock does not tell, nor does one of which nothing is known', async t => {
  const state = await copied(t)
  t.equal(checkCompleted(t, { ...state, copiedAt: { ...state.copiedAt, isSettled: false } }), null)
  t.equal(state.live.changedSince(null), null)
})

t.test('where the log is another, or has fewer frames than it had, it cannot be told what was committed since', async t => {
  const { application, live, copiedAt } = await copied(t)
  application.exec('BEGIN IMMEDIATE')
  const { log } = copiedAt
  for (const other of [{ ...log!, salts: 'others' }, { ...log!, frames: 1_000_000 }]) t.equal(live.changedSince({ ...copiedAt, log: other }), null)
  t.equal(live.changedSince(copiedAt)?.length, 0)
  application.exec('COMMIT')
})

t.test('nor where there is no log any more that had frames', async t => {
  const { application, live, copiedAt } = await copied(t, 'wal', application => { application.pragma('wal_checkpoint(TRUNCATE)') })
  application.exec('BEGIN IMMEDIATE')
  t.equal(copiedAt.log, null)
  t.equal(live.changedSince({ ...copiedAt, log: { salts: 'some', frames: 1, index: '' } }), null)
  application.exec('COMMIT')
})
