import Database from 'better-sqlite3'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { swapFiles } from '../../src/engine/apply/swap-files.ts'
import { runEngine } from '../../src/engine/engine.ts'
import { SnapshotWriter } from '../../src/index.ts'
import { snapshotSettings } from '../../src/options.ts'
import { SnapshotContext } from '../../src/snapshots/context.ts'
import { flipBit } from '../helpers/damage.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'

interface Setup { path: string, folder: string, recovery: string, context: SnapshotContext, writer: SnapshotWriter }

/** A writer whose engines can be made to fail, and the snapshot `a` of a database that was changed since. */
async function setUp (t: Test): Promise<Setup> {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const context = new SnapshotContext(snapshotSettings({ database: path, lockTimeout: 1000 }))
  const writer = new SnapshotWriter(context)
  t.teardown(async () => { await writer.close() })
  await writer.createSnapshot('a')
  change(path, 'DELETE FROM items WHERE id < 50')
  return { path, folder, recovery: join(folder, 'recovery'), context, writer }
}

function change (path: string, sql: string): void {
  new Database(path).exec(sql).close()
}

/** A database whose log has what its file has not; the connection keeps it so. */
function withLog (t: Test, path: string): Database.Database {
  const database = new Database(path)
  t.teardown(() => { database.close() })
  database.pragma('wal_autocheckpoint = 0')
  database.exec("INSERT INTO items (text) VALUES ('in the log only')")
  return database
}

t.test('a backup that has changed by one bit is not brought back', async t => {
  const { path, writer } = await setUp(t)
  const { preRestoreBackup } = await writer.restoreFromSnapshot('a')
  const content = contentOf(path)
  for (const where of [0.2, 0.5, 0.9]) {
    flipBit(String(preRestoreBackup), where)
    await t.rejects(writer.recovery.rollback(), { code: 'FST_SNAPSHOT_DAMAGED', message: /has changed since it was made/ })
    flipBit(String(preRestoreBackup), where)
  }
  t.same(contentOf(path), content)
  t.match(await writer.recovery.rollback(), { integrity: { isHealthy: true } }, 'as it was, it is')
})

t.test('a backup without a checksum is brought back where it is sound', async t => {
  const { path, recovery, writer } = await setUp(t)
  const before = contentOf(path)
  await writer.restoreFromSnapshot('a')
  const restored = contentOf(path)
  writeFileSync(join(recovery, 'pre_restore_20200101T000000Z.db'), 'nothing that SQLite knows')
  await t.rejects(writer.recovery.rollback({ backup: 'pre_restore_20200101T000000Z' }), { code: 'FST_SNAPSHOT_DAMAGED', message: /no checksum/ })
  t.same(contentOf(path), restored)
  for (const file of readdirSync(recovery).filter(file => file.endsWith('.sha256'))) rmSync(join(recovery, file))
  const [newest] = writer.recovery.listPreRestoreBackups().filter(({ restoreId }) => restoreId !== null)
  await writer.recovery.rollback({ backup: newest!.name })
  t.same(contentOf(path), before)
})

t.test('the newest backup can be called as its link is', async t => {
  const { path, recovery, writer } = await setUp(t)
  const before = contentOf(path)
  await writer.restoreFromSnapshot('a')
  await writer.recovery.rollback({ backup: join(recovery, 'pre_restore_latest.db') })
  t.same(contentOf(path), before)
})

t.test('a salvage removes nothing that it has not made', async t => {
  const { path, folder, writer } = await setUp(t)
  const destination = join(folder, 'out.db')
  for (const ending of ['source', 'scratch', 'partial']) {
    mkdirSync(`${destination}.${ending}`)
    writeFileSync(join(`${destination}.${ending}`, 'kept'), 'of somebody else')
  }
  await writer.recovery.salvage(path, { destination })
  for (const ending of ['source', 'scratch', 'partial']) t.ok(existsSync(join(`${destination}.${ending}`, 'kept')), ending)
})

t.test('a replacement that fails in the middle leaves everything as it was', async t => {
  const { path, folder } = await setUp(t)
  withLog(t, path)
  const log = readFileSync(`${path}-wal`)
  const inTheWay = join(folder, 'file')
  writeFileSync(inTheWay, '')
  const intentFile = join(folder, 'intent')
  const swap = { id: 'x', target: { path, lockTimeoutMs: 1000 }, image: inTheWay, intentFile, quarantine: join(inTheWay, 'quarantine') }
  t.throws(() => swapFiles(swap, null, false), { code: 'ENOTDIR' })
  t.same(readdirSync(folder).filter(file => /^app\.db\.|^intent/.test(file)), [])
  mkdirSync(`${path}.y.old-shm`) // a directory is no place for a file
  writeFileSync(join(`${path}.y.old-shm`, 'x'), '')
  t.throws(() => swapFiles({ ...swap, id: 'y', quarantine: join(folder, 'quarantine') }, null, false))
  t.ok(readFileSync(`${path}-wal`).equals(log), 'the log is back')
})

t.test('a rollback that ends after its commit does not say that nothing was changed', async t => {
  const { path, context, writer } = await setUp(t)
  const before = contentOf(path)
  await writer.restoreFromSnapshot('a')
  context.runEngine = async (task, input, options) => {
    const result = await runEngine(task, input, options)
    if (task === 'apply-image') throw new Error('the disk is gone')
    return result
  }
  const error = await writer.recovery.rollback().catch((error: Error) => error) as Error
  t.match(error, { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /the disk is gone; the new content is in the database, that from before is in .*pre_rollback/ })
  t.same(contentOf(path), before)
})

t.test('after a restore whose engine died before the commit, recovery takes back nothing that was committed since', async t => {
  const { path, context, writer } = await setUp(t)
  context.runEngine = async (task, input, options) => {
    if (task !== 'apply-image') return await runEngine(task, input, options)
    const { intentFile, safetyCopy } = input as { intentFile: string, safetyCopy: { path: string } }
    writeFileSync(safetyCopy.path, readFileSync(path))
    writeFileSync(intentFile, JSON.stringify({ backup: safetyCopy.path }))
    throw new Error('out of memory')
  }
  const error = await writer.restoreFromSnapshot('a').catch((error: unknown) => error)
  context.runEngine = runEngine
  change(path, "INSERT INTO items (text) VALUES ('since')")
  const content = contentOf(path)
  t.match(await writer.recovery.recoverFromFailedRestore('a', error), { isRolledBack: false })
  t.same(contentOf(path), content)
})

t.test('after a refused restore of tables, recovery takes back nothing', async t => {
  const { path, writer } = await setUp(t)
  change(path, 'CREATE TABLE uses (item REFERENCES items (id)); CREATE UNIQUE INDEX one ON items (length(text) > 0) WHERE id > 1000')
  change(path, 'INSERT INTO items (id, text) VALUES (5000, \'new\'); INSERT INTO uses VALUES (5000)')
  const error = await writer.restoreTables('a', ['items']).catch((error: unknown) => error)
  t.match(error, { code: 'FST_SNAPSHOT_NOT_RESTORABLE' })
  change(path, "UPDATE items SET text = 'since' WHERE id = 5000")
  const content = contentOf(path)
  t.match(await writer.recovery.recoverFromFailedRestore('a', error), { isRolledBack: false })
  t.same(contentOf(path), content)
})

t.test('an empty file with a log is damage, and the log is not deleted', async t => {
  const { path, writer } = await setUp(t)
  const content = await withSnapshotContent(writer, path)
  withLog(t, path)
  truncateSync(path, 0)
  const { size } = statSync(`${path}-wal`)
  t.match(await writer.recovery.validateDatabaseIntegrity(), { isHealthy: false, errors: [/its write-ahead log has content/] })
  t.equal(statSync(`${path}-wal`).size, size)
  const { replacement } = await writer.restoreFromSnapshot('a')
  t.equal(statSync(join(String(replacement!.quarantine), 'app.db-wal')).size, size)
  t.same(contentOf(path), content)
})

t.test('a header that asks for other versions of the format is damage, and a reset replaces the file', async t => {
  for (const at of [18, 19]) {
    const { path, writer } = await setUp(t)
    const content = await withSnapshotContent(writer, path)
    const bytes = readFileSync(path)
    bytes[at] = 7
    writeFileSync(path, bytes)
    t.match(await writer.recovery.validateDatabaseIntegrity(), { isHealthy: false })
    t.match(await writer.recovery.emergencyDatabaseReset(), { snapshot: 'a', integrity: { isHealthy: true } })
    t.same(contentOf(path), content)
  }
})

async function withSnapshotContent (writer: SnapshotWriter, path: string): Promise<Record<string, string>> {
  await writer.restoreFromSnapshot('a')
  return contentOf(path)
}
