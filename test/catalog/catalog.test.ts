import Database from 'better-sqlite3'
import { getTableColumns, getTableName } from 'drizzle-orm'
import { getTableConfig, type SQLiteTable } from 'drizzle-orm/sqlite-core'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Catalog } from '../../src/catalog/catalog.ts'
import { increment, readMetric } from '../../src/catalog/metric-values.ts'
import { integrityChecks, metricValues, restores, snapshots, sources } from '../../src/catalog/schema.ts'
import { pageOfSnapshots } from '../../src/catalog/snapshots.ts'
import { LockFile } from '../../src/lock-file.ts'
import { addSnapshot, openCatalog } from '../helpers/catalogs.ts'
import { testFolder } from '../helpers/folder.ts'

const SCRIPT = fileURLToPath(new URL('../processes/use-catalog.ts', import.meta.url))

/** Lets so many processes open the catalog of a folder at the same moment and add snapshots; gives what they report. */
async function race (t: Test, folder: string, processes: number, count: number): Promise<Array<{ source?: string, error?: string }>> {
  const children = Array.from({ length: processes }, (_, number) => fork(SCRIPT, [folder, `writer-${number}`, String(count)]))
  t.teardown(() => { for (const child of children) child.kill('SIGKILL') })
  await Promise.all(children.map(async child => { await once(child, 'message') }))
  const reports = children.map(async child => (await once(child, 'message'))[0])
  for (const child of children) child.send('start')
  return await Promise.all(reports)
}

t.test('a new catalog has its file and locks readable for the owner only', async t => {
  const folder = join(testFolder(t), 'made', 'when-needed')
  const catalog = openCatalog(t, folder)
  t.equal(catalog.path, join(folder, 'catalog.db'))
  addSnapshot(catalog, 'one')
  for (const file of ['catalog.db', 'catalog.db-wal', 'catalog.db-shm', '.locks/catalog.lock']) t.equal(statSync(join(folder, file)).mode & 0o777, 0o600, file)
  for (const made of [folder, join(folder, '.locks')]) t.equal(statSync(made).mode & 0o777, 0o700, made)
})

t.test('a catalog keeps what is in it, and its source, when it is opened again', async t => {
  const folder = testFolder(t)
  const first = openCatalog(t, folder)
  addSnapshot(first, 'one')
  first.close()
  t.doesNotThrow(() => { first.close() }, 'it can be closed twice')
  const second = openCatalog(t, folder)
  t.equal(second.source, first.source)
  t.match(second.source, /^[0-9a-f-]{36}$/)
  t.match(pageOfSnapshots(second, 'app', { limit: 5 }).rows, [{ name: 'one' }])
  t.not(openCatalog(t, join(folder, 'other')).source, first.source, 'another catalog is another source')
})

t.test('a catalog cannot be opened while another process migrates it for long', async t => {
  const folder = testFolder(t, { '.locks': {} })
  const lock = LockFile.takeBlocking(join(folder, '.locks', 'catalog.lock'), 0)
  t.throws(() => Catalog.open(folder), { code: 'FST_SNAPSHOT_BUSY' })
  t.notOk(existsSync(join(folder, 'catalog.db')))
  lock?.release()
  openCatalog(t, folder)
})

t.test('a file that is no catalog is an error and the lock is released', async t => {
  const folder = testFolder(t, { 'catalog.db': 'something else '.repeat(100) })
  t.throws(() => Catalog.open(folder), { code: 'FST_SNAPSHOT_CATALOG_UNUSABLE' })
  const lock = LockFile.takeBlocking(join(folder, '.locks', 'catalog.lock'), 0)
  t.ok(lock)
  lock?.release()
})

t.test('the migrations make every table, column and index of the schema', async t => {
  const catalog = openCatalog(t)
  const sqlite = new Database(catalog.path, { readonly: true })
  t.teardown(() => { sqlite.close() })
  const tables: SQLiteTable[] = [snapshots, restores, integrityChecks, metricValues, sources]
  for (const table of tables) {
    const name = getTableName(table)
    const columns = sqlite.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(name)
    t.same(columns, Object.values(getTableColumns(table)).map(column => column.name), name)
    const indexes = sqlite.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL ORDER BY name").pluck().all(name)
    t.same(indexes, getTableConfig(table).indexes.map(index => index.config.name).sort())
    const key = sqlite.prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk').pluck().all(name)
    const { columns: all, primaryKeys } = getTableConfig(table)
    t.same(key, primaryKeys[0]?.columns.map(column => column.name) ?? all.filter(column => column.primary).map(column => column.name))
  }
})

t.test('a change that fails leaves nothing', async t => {
  const catalog = openCatalog(t)
  t.throws(() => catalog.write(database => {
    increment(database, 'app', 'counter')
    throw new Error('changed my mind')
  }), { message: 'changed my mind' })
  t.same(readMetric(catalog, 'app', 'counter'), new Map())
  t.ok(catalog.isSaved)
})

t.test('while another process holds the catalog changes are kept in memory, and written once it is free', async t => {
  const catalog = openCatalog(t)
  const other = new Database(catalog.path)
  t.teardown(() => { other.close() })
  other.exec('BEGIN IMMEDIATE')
  addSnapshot(catalog, 'meanwhile')
  t.notOk(catalog.isSaved)
  t.match(pageOfSnapshots(catalog, 'app', { limit: 5 }).rows, [{ name: 'meanwhile' }], 'they are seen at once')
  t.notOk(catalog.isSaved)
  other.exec('COMMIT')
  t.match(pageOfSnapshots(catalog, 'app', { limit: 5 }).rows, [{ name: 'meanwhile' }])
  t.ok(catalog.isSaved)
  t.same(other.prepare('SELECT name FROM snapshots').pluck().all(), ['meanwhile'])
})

t.test('the write-ahead log grows until somebody checkpoints it', async t => {
  const catalog = openCatalog(t)
  const before = catalog.walBytes
  addSnapshot(catalog, 'one')
  t.ok(catalog.walBytes > before)
  const other = new Database(catalog.path)
  other.pragma('wal_checkpoint(TRUNCATE)')
  other.close()
  t.equal(catalog.walBytes, 0)
  catalog.close()
  t.notOk(existsSync(`${catalog.path}-wal`))
  t.equal(catalog.walBytes, 0, 'no log has no bytes')
})

t.test('eight processes that open a new catalog at once all succeed and agree on its source', async t => {
  const reports = await race(t, join(testFolder(t), 'new'), 8, 0)
  t.same(reports, Array.from({ length: 8 }, () => ({ source: reports[0]?.source })))
  t.match(reports[0], { source: String })
})

t.test('four processes that write at once lose nothing', async t => {
  const folder = testFolder(t)
  const reports = await race(t, folder, 4, 200)
  t.same(reports.filter(report => 'error' in report), [])
  const catalog = openCatalog(t, folder)
  t.equal(readMetric(catalog, 'app', 'written').get(''), 800)
  const { rows } = pageOfSnapshots(catalog, 'app', { limit: 1000, order: 'asc' })
  t.equal(new Set(rows.map(row => row.sequence)).size, 800, 'each snapshot has a place of its own in the order')
  t.equal(new Set(rows.map(row => row.name)).size, 800)
})

t.test('a deployment keeps its id beside the catalog, and without the catalog it is the same', async t => {
  const folder = testFolder(t)
  const first = Catalog.open(folder)
  t.equal(first.isReplaced, false)
  first.close()
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(folder, `catalog.db${suffix}`), { force: true })
  const second = Catalog.open(folder)
  t.equal(second.source, first.source)
  t.equal(second.isReplaced, true)
  second.close()
})

t.test('where the id cannot be kept there, the catalog has it all the same', async t => {
  const folder = testFolder(t)
  symlinkSync(join(folder, 'no', 'such', 'folder'), join(folder, '.source'))
  const first = Catalog.open(folder)
  first.close()
  const second = Catalog.open(folder)
  t.equal(second.source, first.source)
  second.close()
})
