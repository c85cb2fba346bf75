import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { settleReplacement, type SettleReplacementInput } from '../../../src/engine/apply/settle-replacement.ts'
import { testFolder } from '../../helpers/folder.ts'

interface Place { folder: string, path: string, input: SettleReplacementInput, settle: () => Promise<boolean>, files: () => Record<string, string> }

/** A folder in which a replacement ended in the middle: names of files, and what is in them. */
function place (t: Test, files: Record<string, string>, change: Partial<SettleReplacementInput> = {}): Place {
  const folder = join(testFolder(t), 'data')
  mkdirSync(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const path = join(folder, 'app.db')
  const input = { path, id: 'id', quarantine: join(folder, 'quarantine'), wasMissing: false, isCheckpointed: false, modifiedMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0, ...change }
  const read = (): Record<string, string> => Object.fromEntries(readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).map(({ parentPath, name }) => [join(parentPath, name).slice(folder.length + 1), readFileSync(join(parentPath, name), 'utf8')]))
  return { folder, path, input, settle: async () => await settleReplacement(input), files: read }
}

const unsettled = { 'app.db': 'old', 'app.db.id.fresh': 'new', 'app.db.id.old-wal': 'log', 'app.db.id.old-shm': 'shared' }

t.test('what was not in its place yet is taken back: the log returns', async t => {
  const { path, folder, settle, files, input } = place(t, unsettled)
  linkSync(path, `${path}.id.old`)
  mkdirSync(input.quarantine)
  for (let time = 0; time < 2; time++) {
    t.equal(await settle(), false)
    t.same(files(), { 'app.db': 'old', 'app.db-wal': 'log', 'app.db-shm': 'shared', 'app.db.id.fresh': 'new' }, 'the new file tells the two outcomes apart until one is recorded')
  }
  t.notOk(existsSync(join(folder, 'quarantine')), 'no empty folder is left')
})

t.test('also where the new file is gone already, and the old one has both its names', async t => {
  const { path, settle, files } = place(t, { 'app.db': 'old', 'app.db.id.old-wal': 'log' })
  linkSync(path, `${path}.id.old`)
  t.equal(await settle(), false)
  t.same(files(), { 'app.db': 'old', 'app.db-wal': 'log' })
})

const notReturned: Record<string, { files?: Record<string, string>, change?: Partial<SettleReplacementInput>, expected: Record<string, string> }> = {
  'the file has all of its content without it': { change: { isCheckpointed: true }, expected: {} },
  'somebody has written to the file since': { change: { modifiedMs: 1 }, expected: {} },
  'somebody has begun a new log': { files: { 'app.db-wal': 'new log' }, expected: { 'app.db-wal': 'new log' } }
}
for (const [why, { files: more, change, expected }] of Object.entries(notReturned)) {
  t.test(`a log does not return where ${why}; the quarantine has it`, async t => {
    const { settle, files } = place(t, { ...unsettled, ...more }, change)
    for (let time = 0; time < 2; time++) {
      t.equal(await settle(), false)
      t.same(files(), { 'app.db': 'old', 'app.db.id.fresh': 'new', 'quarantine/app.db-wal': 'log', 'quarantine/app.db-shm': 'shared', ...expected })
    }
  })
}

t.test('shared memory that was made anew stays, and the log returns', async t => {
  const { settle, files } = place(t, { ...unsettled, 'app.db-shm': 'new shared' })
  t.equal(await settle(), false)
  t.match(files(), { 'app.db-wal': 'log', 'app.db-shm': 'new shared', 'quarantine/app.db-shm': 'shared' })
})

t.test('what was in its place is completed: the old files go to the quarantine', async t => {
  const { settle, files } = place(t, { 'app.db': 'new', 'app.db-wal': 'new log', 'app.db.id.old': 'old', 'app.db.id.old-wal': 'log', 'app.db.id.old-journal': 'journal' })
  for (let time = 0; time < 2; time++) {
    t.equal(await settle(), true)
    t.same(files(), { 'app.db': 'new', 'app.db-wal': 'new log', 'quarantine/app.db': 'old', 'quarantine/app.db-wal': 'log', 'quarantine/app.db-journal': 'journal' })
  }
})

t.test('what cannot be moved to the quarantine yet is moved later', async t => {
  const { folder, settle, files } = place(t, { 'app.db': 'new', 'app.db.id.old': 'old' })
  mkdirSync(join(folder, 'quarantine', 'app.db', 'in the way'), { recursive: true })
  await t.rejects(settle(), { code: /EISDIR|ENOTEMPTY|EEXIST/ })
  t.same(files(), { 'app.db': 'new', 'app.db.id.old': 'old' })
  rmSync(join(folder, 'quarantine', 'app.db'), { recursive: true })
  t.equal(await settle(), true)
  t.same(files(), { 'app.db': 'new', 'quarantine/app.db': 'old' })
})

t.test('where no database was, a new file without its first name is in its place', async t => {
  const { settle, files } = place(t, { 'app.db': 'new', 'app.db.id.old-wal': 'log' }, { wasMissing: true, modifiedMs: 0 })
  t.equal(await settle(), true)
  t.same(files(), { 'app.db': 'new', 'quarantine/app.db-wal': 'log' })
})

t.test('with both names, too, and then it has one', async t => {
  const { path, settle, files } = place(t, { 'app.db.id.fresh': 'new' }, { wasMissing: true })
  linkSync(`${path}.id.fresh`, path)
  for (let time = 0; time < 2; time++) {
    t.equal(await settle(), true)
    t.same(files(), { 'app.db': 'new' })
  }
})

t.test('where no database was and none is, what an earlier one left returns', async t => {
  const { settle, files } = place(t, { 'app.db.id.fresh': 'new', 'app.db.id.old-wal': 'log' }, { wasMissing: true })
  t.equal(await settle(), false)
  t.same(files(), { 'app.db-wal': 'log', 'app.db.id.fresh': 'new' })
})

t.test('a database that the application has made meanwhile stays, and gets no old log', async t => {
  const { settle, files } = place(t, { 'app.db': 'made', 'app.db.id.fresh': 'new', 'app.db.id.old-wal': 'log' }, { wasMissing: true, modifiedMs: 0 })
  t.equal(await settle(), false)
  t.same(files(), { 'app.db': 'made', 'app.db.id.fresh': 'new', 'quarantine/app.db-wal': 'log' })
})
