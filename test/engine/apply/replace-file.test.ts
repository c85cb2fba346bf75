import Database from 'better-sqlite3'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ReplaceFileInput, ReplaceFileResult } from '../../../src/engine/apply/replace-file.ts'
import { runEngine } from '../../../src/engine/engine.ts'
import { LockFile } from '../../../src/lock-file.ts'
import { contentOf, journalModeOf, makeDatabase, type DatabaseOptions } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'
import { holdLock } from '../../helpers/locked.ts'
import { change } from '../../helpers/recoverable.ts'

interface Prepared { path: string, folder: string, input: ReplaceFileInput, image: Record<string, string>, replace: (change?: Partial<ReplaceFileInput>) => Promise<ReplaceFileResult> }

/** A database, an image of another page size, and a copy of the database as it was before its last change. */
async function prepare (t: Test, options: DatabaseOptions = {}): Promise<Prepared> {
  const folder = testFolder(t, { data: {} })
  const [path, image] = [join(folder, 'data', 'app.db'), join(folder, 'image.db')]
  makeDatabase(path, options).close()
  makeDatabase(image, { pageSize: 8192, journalMode: 'delete', rows: 10 }).close()
  const target = { path, lockTimeoutMs: 500 }
  const copiedAt = await runEngine('copy-database', { source: target, copy: join(folder, 'partial') })
  const input: ReplaceFileInput = {
    id: 'id',
    target,
    image,
    lockFile: join(folder, 'engine.lock'),
    safetyCopy: { partial: join(folder, 'partial'), path: join(folder, 'backup.db'), latest: join(folder, 'latest.db') },
    copiedAt,
    intentFile: join(folder, 'intent'),
    quarantine: join(folder, 'quarantine')
  }
  return { path, folder, input, image: contentOf(image), replace: async changes => await runEngine('replace-file', { ...input, ...changes }) }
}

for (const journalMode of ['wal', 'delete', 'persist'] as const) {
  t.test(`what was committed since the copy is in the backup, and the new file has the journal mode of the old one, ${journalMode} mode`, async t => {
    const { path, folder, input, image, replace } = await prepare(t, { journalMode })
    const application = new Database(path)
    t.teardown(() => { application.close() })
    application.exec("INSERT INTO items (text) VALUES ('since')")
    const before = contentOf(path)
    t.match(await replace(), { backup: input.safetyCopy!.path, heldBy: [process.pid] })
    t.same(contentOf(path), image)
    t.equal(journalModeOf(path) === 'wal', journalMode === 'wal')
    t.same(contentOf(join(folder, 'backup.db')), before)
    t.same(contentOf(join(folder, 'latest.db')), before)
    t.match(JSON.parse(readFileSync(input.intentFile, 'utf8')), { backup: input.safetyCopy!.path, isCheckpointed: journalMode === 'wal' })
  })
}

t.test('where a reader keeps the log from going into the file, the intent says that the file has not all of it', async t => {
  const { path, input, replace } = await prepare(t)
  const reader = new Database(path)
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM items').get()
  change(path, "INSERT INTO items (text) VALUES ('since')")
  const before = contentOf(path)
  await replace()
  t.match(JSON.parse(readFileSync(input.intentFile, 'utf8')), { isCheckpointed: false })
  t.same(contentOf(input.safetyCopy!.path), before)
  reader.close()
})

t.test('a file that SQLite cannot open is replaced without a backup of its own', async t => {
  for (const text of ['gone', 'no database at all '.repeat(1000)]) {
    const { path, folder, image, replace } = await prepare(t)
    writeFileSync(path, text)
    t.match(await replace({ safetyCopy: null, copiedAt: null }), { backup: null, heldBy: [], lockedMs: 0 })
    t.same(contentOf(path), image)
    t.equal(readFileSync(join(folder, 'quarantine', 'app.db'), 'utf8'), text)
  }
})

t.test('one that can be opened but not copied is write-locked meanwhile all the same', async t => {
  const { path, image, folder, replace } = await prepare(t)
  const before = contentOf(path)
  t.match(await replace({ safetyCopy: null, copiedAt: null }), { backup: null })
  t.same(contentOf(path), image)
  t.same(contentOf(join(folder, 'quarantine', 'app.db')), before)
})

t.test('a log that is not the one its index describes is in the quarantine, and no backup is made of it', async t => {
  const { path, folder, image, replace } = await prepare(t)
  const application = new Database(path)
  t.teardown(() => { application.close() })
  application.exec("INSERT INTO items (text) VALUES ('since')")
  const log = readFileSync(`${path}-wal`)
  log.fill(7, 40, 48) // the salts of its first frame
  writeFileSync(`${path}-wal`, log)
  t.match(await replace(), { backup: null })
  t.same(contentOf(path), image)
  t.same(readFileSync(join(folder, 'quarantine', 'app.db-wal')), log)
})

t.test('where the backup cannot be written, nothing is replaced', async t => {
  const { path, input, replace } = await prepare(t)
  const before = contentOf(path)
  await t.rejects(replace({ safetyCopy: { ...input.safetyCopy!, path: join(t.testdirName, 'nowhere', 'backup.db') } }), { message: /ENOENT/ })
  t.same(contentOf(path), before)
})

for (const journalMode of ['wal', 'delete'] as const) {
  t.test(`while the application holds a lock nothing is replaced, ${journalMode} mode`, async t => {
    const { path, folder, replace } = await prepare(t, { journalMode })
    const before = contentOf(path)
    const release = await holdLock(t, path)
    await t.rejects(replace(), { code: 'FST_SNAPSHOT_DATABASE_LOCKED' })
    await release()
    t.same(contentOf(path), before)
    t.same(readdirSync(folder).sort(), ['data', 'engine.lock', 'image.db', 'partial'])
  })
}

t.test('nor while another engine works on it', async t => {
  const { path, input, replace } = await prepare(t)
  const before = contentOf(path)
  const lock = LockFile.takeBlocking(input.lockFile, 0)
  await t.rejects(replace(), { code: 'FST_SNAPSHOT_BUSY' })
  t.same(contentOf(path), before)
  lock?.release()
})
