import Database from 'better-sqlite3'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalStorage, SnapshotWriter, type SnapshotOptions } from '../../src/index.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { writerFor } from '../helpers/round-trip.ts'

function prepare (t: Test, options: SnapshotOptions = {}): { path: string, writer: SnapshotWriter } {
  const path = join(t.testdir(), 'app.db')
  makeDatabase(path).close()
  return { path, writer: writerFor(t, path, options) }
}

t.test('a script needs nothing but DATABASE_URL, as in the runbook', async t => {
  const path = join(t.testdir(), 'dev.db')
  makeDatabase(path).close()
  t.intercept(process, 'env', { value: { ...process.env, DATABASE_URL: `file:${path}` } })
  const writer = new SnapshotWriter()
  t.teardown(async () => { await writer.close() })
  const before = contentOf(path)
  t.match(await writer.createSnapshot('pre_deployment_2024_01_15', { labels: { reason: 'test' } }), { status: 'COMPLETED', database: 'dev', integrity: 'ok', labels: { reason: 'test' } })
  new Database(path).exec('DELETE FROM items').close()
  t.match(await writer.restoreFromSnapshot('pre_deployment_2024_01_15'), { status: 'SUCCESS' })
  t.same(contentOf(path), before)
})

t.test('labels that break the rule are refused', async t => {
  const { writer } = prepare(t)
  await t.rejects(writer.createSnapshot('named', { labels: { 'not allowed': 'x' } }), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /labels/ })
})

t.test('a check within integrityCheckMaxAge is not run again, and the snapshot says so', async t => {
  const { writer } = prepare(t, { integrityCheckMaxAge: 3_600_000 })
  t.match(await writer.createSnapshot('first'), { integrity: 'ok' })
  await writer.recovery.validateDatabaseIntegrity()
  t.match(await writer.createSnapshot('second'), { integrity: 'unchecked' })
  t.match(await writer.restoreFromSnapshot('latest'), { status: 'SUCCESS', snapshot: { name: 'second' } })
})

t.test('a verification that cannot read the storage is an error, not damage', async t => {
  class UnreachableStorage extends LocalStorage {
    override async get (): Promise<never> { throw Object.assign(new Error('unreachable'), { code: 'FST_SNAPSHOT_STORAGE_FAILED', statusCode: 500 }) }
  }
  const { writer } = prepare(t, { storage: new UnreachableStorage(join(t.testdirName, 'backups')) })
  await writer.createSnapshot('first')
  await t.rejects(writer.verifySnapshot('first'), { code: 'FST_SNAPSHOT_STORAGE_FAILED' })
  t.match(await writer.getSnapshot('first'), { replicas: [{ state: 'STORED' }] })
})

/** Makes the log of the catalog large, as months of operation without a restart would. */
function growLog (backups: string): void {
  const catalog = new Database(join(backups, 'catalog.db'))
  catalog.pragma('wal_autocheckpoint = 0')
  catalog.exec('CREATE TABLE ballast (data); INSERT INTO ballast VALUES (zeroblob(5000000)); DROP TABLE ballast')
  catalog.close()
}

t.test("the catalog's log is moved into its file when it has grown", async t => {
  const { writer } = prepare(t)
  const backups = join(t.testdirName, 'backups')
  growLog(backups)
  t.ok(statSync(join(backups, 'catalog.db-wal')).size > 5_000_000)
  await writer.createSnapshot('first')
  t.equal(statSync(join(backups, 'catalog.db-wal')).size, 0)
})

t.test("a catalog's log that cannot be moved does not make an operation fail", async t => {
  const messages: string[] = []
  const { writer } = prepare(t, { logger: { info () {}, error () {}, warn: (_details, message) => { messages.push(message) } } })
  const backups = join(t.testdirName, 'backups')
  growLog(backups)
  rmSync(join(backups, 'catalog.db'))
  t.match(await writer.createSnapshot('first'), { status: 'COMPLETED' })
  t.ok(messages.some(message => message.startsWith("The catalog's log was not moved into its file yet")))
})

t.test('while the catalog cannot be written health says so', async t => {
  const { path, writer } = prepare(t)
  await writer.createSnapshot('nightly')
  t.match(writer.health(), { status: 'ok' })
  const other = new Database(join(path, '..', 'backups', 'catalog.db'))
  t.teardown(() => { other.close() })
  other.exec('BEGIN IMMEDIATE')
  await writer.updateSnapshot('nightly', { pinned: true })
  t.match(writer.health(), { status: 'degraded', reasons: [/The catalog cannot be written/] })
  other.exec('COMMIT')
  t.match(writer.getSnapshot('nightly'), { pinned: true })
  t.match(writer.health(), { status: 'ok', reasons: [] })
})
