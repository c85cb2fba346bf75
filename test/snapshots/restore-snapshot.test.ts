import Database from 'better-sqlite3'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { SnapshotWriter, type SnapshotOptions } from '../../src/index.ts'
import { damageDatabase, filesIn } from '../helpers/damage.ts'
import { contentOf, integrityOf, makeDatabase, makeLargeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { sha256OfFile, writerFor } from '../helpers/round-trip.ts'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.ts'

interface Prepared { path: string, recovery: string, writer: SnapshotWriter, before: Record<string, string>, changed: Record<string, string> }

/** A database with a snapshot `before`, changed since, and closed. */
async function prepare (t: Test, options: SnapshotOptions = {}): Promise<Prepared> {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const writer = writerFor(t, path, options)
  await writer.createSnapshot('before')
  const before = contentOf(path)
  new Database(path).exec('DELETE FROM items WHERE id > 50; CREATE TABLE added (a)').close()
  return { path, recovery: join(folder, 'recovery'), writer, before, changed: contentOf(path) }
}

t.test('the pre-restore backup is a plain database that can be copied back by hand', async t => {
  const { path, recovery, writer, changed } = await prepare(t)
  const { preRestoreBackup } = await writer.restoreFromSnapshot('before')
  t.match(preRestoreBackup, /recovery\/pre_restore_\d{8}T\d{6}Z\.db$/)
  t.equal(join(recovery, readlinkSync(join(recovery, 'pre_restore_latest.db'))), preRestoreBackup)
  t.same(contentOf(join(recovery, 'pre_restore_latest.db')), changed)
  t.equal(statSync(String(preRestoreBackup)).mode & 0o777, 0o600)

  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
  execFileSync('cp', [join(recovery, 'pre_restore_latest.db'), path])
  t.same(contentOf(path), changed)
  t.equal(integrityOf(path), 'ok')
})

t.test('each restore keeps a backup of its own, and the link follows the newest', async t => {
  const { recovery, writer, before } = await prepare(t)
  const first = await writer.restoreFromSnapshot('before')
  const second = await writer.restoreFromSnapshot('before')
  t.not(first.preRestoreBackup, second.preRestoreBackup)
  t.equal(join(recovery, readlinkSync(join(recovery, 'pre_restore_latest.db'))), second.preRestoreBackup)
  t.same(contentOf(String(second.preRestoreBackup)), before)
})

t.test('the snapshot says when it was restored, and can be restored again', async t => {
  const { writer } = await prepare(t)
  t.match(await writer.getSnapshot('before'), { status: 'COMPLETED', lastRestoredAt: null })
  const { snapshot, status } = await writer.restoreFromSnapshot('latest')
  t.match({ status, snapshot }, { status: 'SUCCESS', snapshot: { name: 'before', status: 'SUCCESS', lastRestoredAt: String } })
  await writer.restoreFromSnapshot(snapshot.id)
})

t.test('a missing database is made from the snapshot, and what was left of the old one is put into quarantine', async t => {
  const { path, recovery, writer, before } = await prepare(t)
  rmSync(path)
  for (const suffix of ['-wal', '-journal']) writeFileSync(path + suffix, 'left of the old one')
  t.match(await writer.restoreFromSnapshot('before'), { status: 'SUCCESS', preRestoreBackup: null })
  t.same(contentOf(path), before)
  t.equal(integrityOf(path), 'ok')
  const [quarantine] = readdirSync(recovery).filter(name => name.startsWith('quarantine_'))
  t.same(readdirSync(join(recovery, String(quarantine))).sort(), ['app.db-journal', 'app.db-wal'])
})

t.test('a link to a database that is missing is followed', async t => {
  const { path, writer } = await prepare(t)
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  symlinkSync('elsewhere.db', path)
  await writer.restoreFromSnapshot('before')
  t.equal(readlinkSync(path), 'elsewhere.db')
  t.equal(integrityOf(join(path, '..', 'elsewhere.db')), 'ok')
})

t.test('a snapshot that was stored unchecked and is damaged is not restored', async t => {
  const path = join(testFolder(t), 'app.db')
  makeLargeDatabase(path, 300_000)
  const writer = writerFor(t, path, { integrityCheckMaxAge: 3_600_000 })
  await writer.recovery.validateDatabaseIntegrity()
  damageDatabase(path)
  t.match(await writer.createSnapshot('damaged'), { integrity: 'unchecked' })
  const content = sha256OfFile(path)
  await t.rejects(writer.restoreFromSnapshot('damaged'), { code: 'FST_SNAPSHOT_DAMAGED', statusCode: 422 })
  t.equal(sha256OfFile(path), content)
})

t.test('a missing database whose folder is missing too is made', async t => {
  const folder = testFolder(t)
  const path = join(folder, 'data', 'app.db')
  const { path: source, writer } = await prepare(t)
  await writer.close()
  rmSync(source) // it was moved, and then lost
  const other = writerFor(t, path, { databaseName: 'app', snapshotDir: join(source, '..', 'backups') })
  await other.restoreFromSnapshot('before')
  t.equal(integrityOf(path), 'ok')
})

t.test('a file that SQLite cannot open is replaced, and kept as it is', async t => {
  const { path, writer } = await prepare(t)
  const bytes = 'no database at all '.repeat(1000)
  writeFileSync(path, bytes)
  const { replacement, preRestoreBackup } = await writer.restoreFromSnapshot('before')
  t.equal(integrityOf(path), 'ok')
  t.equal(preRestoreBackup, null)
  t.equal(readFileSync(join(String(replacement?.quarantine), basename(path)), 'utf8'), bytes)
})

for (const [what, pragma] of [['page size', 'page_size = 8192'], ['text encoding', "encoding = 'UTF-16le'"]] as const) {
  t.test(`a live database of another ${what} is replaced, and its content kept`, async t => {
    const { path, writer } = await prepare(t)
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    const database = new Database(path)
    database.exec(`PRAGMA ${pragma}; CREATE TABLE other (text)`)
    database.close()
    const content = contentOf(path)
    const { preRestoreBackup, replacement } = await writer.restoreFromSnapshot('before')
    t.same(contentOf(String(preRestoreBackup)), content)
    t.match(replacement, { reason: new RegExp(what) })
    t.equal(integrityOf(path), 'ok')
  })
}

t.test('a live database that stays locked is left alone', async t => {
  const { path, writer, changed } = await prepare(t, { lockTimeout: 100 })
  const other = new Database(path)
  other.exec('BEGIN IMMEDIATE')
  await t.rejects(writer.restoreFromSnapshot('before'), { code: 'FST_SNAPSHOT_DATABASE_LOCKED', statusCode: 503 })
  other.close()
  t.same(contentOf(path), changed)
  await writer.restoreFromSnapshot('before')
})

t.test('evidence of a damaged database is restored only when asked for by name', async t => {
  const path = join(testFolder(t), 'app.db')
  makeLargeDatabase(path, 300_000)
  const writer = writerFor(t, path, { allowDamaged: true })
  await writer.createSnapshot('sound')
  const sound = contentOf(path)
  new Database(path).exec("PRAGMA wal_checkpoint(TRUNCATE); UPDATE items SET text = 'later'").close()
  const database = new Database(path)
  database.unsafeMode()
  database.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'items_text'")
  database.close()

  t.match(await writer.createSnapshot('evidence'), { status: 'COMPLETED', integrity: 'failed' })
  t.equal((await writer.getSnapshot('latest')).name, 'sound', 'it is never the latest')
  await t.rejects(writer.restoreFromSnapshot('evidence'), { code: 'FST_SNAPSHOT_NOT_RESTORABLE', message: /evidence/ })
  await writer.restoreFromSnapshot('sound')
  t.same(contentOf(path), sound)
  t.match(await writer.restoreFromSnapshot('evidence', { allowDamaged: true }), { status: 'SUCCESS' })
  t.match(await writer.recovery.validateDatabaseIntegrity(), { isHealthy: false })
  t.match(await writer.restoreFromSnapshot('sound'), { status: 'SUCCESS' }, 'a damaged schema is no obstacle')
})

t.test('a restore that cannot fit is refused before anything is done', { skip: noSmallDisk }, async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeLargeDatabase(path, 4_000_000)
  const recoveryDir = mountSmallDisk(t, 2)
  const writer = writerFor(t, path, { recoveryDir })
  await writer.createSnapshot('before')
  const content = contentOf(path)
  await t.rejects(writer.restoreFromSnapshot('before'), { code: 'FST_SNAPSHOT_NO_ROOM', statusCode: 507, message: /pre-restore backup/ })
  t.same(contentOf(path), content)
  t.same(filesIn(recoveryDir), [])
})

t.test('a database that grows beyond the room for its backup meanwhile is left alone', { skip: noSmallDisk }, async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const recoveryDir = mountSmallDisk(t, 2)
  const writer = writerFor(t, path, { recoveryDir, migrate: () => { makeLargeDatabase(join(folder, 'large.db'), 4_000_000); cpSync(join(folder, 'large.db'), path) } })
  await writer.createSnapshot('before')
  await t.rejects(writer.restoreFromSnapshot('before'), { code: 'FST_SNAPSHOT_NO_ROOM' })
  t.same(contentOf(path), contentOf(join(folder, 'large.db')))
  t.same(filesIn(recoveryDir), [], 'no partial backup is left')
})

t.test('a live database that is damaged but can be opened is replaced all the same', async t => {
  const path = join(testFolder(t), 'app.db')
  makeLargeDatabase(path, 300_000)
  const writer = writerFor(t, path)
  await writer.createSnapshot('before')
  const content = contentOf(path)
  damageDatabase(path)
  await writer.restoreFromSnapshot('before')
  t.same(contentOf(path), content)
  t.equal(integrityOf(path), 'ok')
  t.notOk(existsSync(`${path}.partial`))
})

t.test('where links take special rights, as on Windows, a restore does without', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const writer = writerFor(t, path)
  await writer.createSnapshot('before')
  const content = contentOf(path)
  new Database(path).exec('DELETE FROM items').close()
  t.intercept(process, 'platform', { value: 'win32' })
  t.match(await writer.restoreFromSnapshot('before'), { status: 'SUCCESS' })
  t.same(contentOf(path), content)
})
