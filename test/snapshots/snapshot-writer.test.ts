import Database from 'better-sqlite3'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalStorage, SnapshotWriter, type SnapshotOptions } from '../../src/index.ts'
import { silentLogger } from '../../src/logger.ts'
import { damageDatabase } from '../helpers/damage.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { openContext } from '../helpers/open-context.ts'
import { writerFor } from '../helpers/round-trip.ts'

function prepare (t: Test, options: SnapshotOptions = {}): { path: string, writer: SnapshotWriter } {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  return { path, writer: writerFor(t, path, options) }
}

/** It takes everything and gives nothing back. */
class UnreachableStorage extends LocalStorage {
  override async get (): Promise<never> { throw Object.assign(new Error('unreachable'), { code: 'FST_SNAPSHOT_STORAGE_FAILED', statusCode: 500 }) }
}

t.test('a script needs nothing but DATABASE_URL, as in the runbook', async t => {
  const path = join(testFolder(t), 'dev.db')
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
  t.match(await writer.getSnapshot('nightly'), { pinned: true })
  t.match(writer.health(), { status: 'ok', reasons: [] })
})

const WRONG: Record<string, [call: (writer: SnapshotWriter) => Promise<unknown>, message: RegExp | string]> = {
  'a limit of 0': [async writer => await writer.listSnapshots({ limit: 0 }), 'options/limit: it must be a whole number from 1 to 1000'],
  'a limit in text': [async writer => await writer.listSnapshots({ limit: '5' as never }), 'options/limit: it must be a whole number'],
  'a cursor of its own making': [async writer => await writer.listSnapshots({ cursor: 'x' }), 'options/cursor: it must be the nextCursor'],
  'an unknown status': [async writer => await writer.listSnapshots({ status: 'GOOD' as never }), 'options/status: it must be one of CREATING, COMPLETED, SUCCESS, FAILED'],
  'an unknown order': [async writer => await writer.listSnapshots({ order: 'up' as never }), 'options/order: it must be one of asc, desc'],
  'a list of null': [async writer => await writer.listSnapshots(null as never), 'options: '],
  'an unknown trigger': [async writer => await writer.createSnapshot('a', { trigger: 'cron' as never }), 'options/trigger: it must be one of manual, scheduled'],
  'a mistyped option': [async writer => await writer.createSnapshot('a', { lables: {} } as never), 'options/lables: it is not known; known are labels, '],
  'labels that break the rule': [async writer => await writer.createSnapshot('a', { labels: { 'not allowed': 'x' } }), 'options/labels/not allowed: it must be up to 32 texts'],
  'pinned in text': [async writer => await writer.updateSnapshot('a', { pinned: 'yes' as never }), 'change/pinned: '],
  'no change': [async writer => await writer.updateSnapshot('a', undefined as never), 'change: '],
  'a wrong before': [async writer => await writer.deleteSnapshot('latest', { before: '2024' }), 'options/before: it must be a date such as 2024-01-15'],
  'a before that is no time': [async writer => await writer.getSnapshot('latest', { before: '2024-13-45' }), 'before: 2024-13-45 is not a time'],
  'allowDamaged in text': [async writer => await writer.restoreFromSnapshot('a', { allowDamaged: 'yes' as never }), 'options/allowDamaged: '],
  'keepLast of 0': [async writer => await writer.createScheduledSnapshot(0), 'keepLast: it must be a whole number of at least 1'],
  'an unknown mode': [async writer => await writer.recovery.validateDatabaseIntegrity({ mode: 'slow' as never }), 'options/mode: it must be one of quick, full']
}
for (const [what, [call, message]] of Object.entries(WRONG)) {
  t.test(`a caller without types who gives ${what} is refused as by the routes`, async t => {
    const { writer } = prepare(t)
    await t.rejects(call(writer), { code: 'FST_SNAPSHOT_INVALID_REQUEST', statusCode: 400, message })
    t.same((await writer.listSnapshots()).snapshots, [])
  })
}

for (const name of [5, null, {}, ['a']] as never[]) {
  t.test(`a name that is ${JSON.stringify(name)} is refused`, async t => {
    const { writer } = prepare(t)
    const calls: Array<Promise<unknown>> = [writer.createSnapshot(name), writer.getSnapshot(name), writer.updateSnapshot(name, {}), writer.deleteSnapshot(name), writer.restoreFromSnapshot(name), writer.verifySnapshot(name), writer.downloadSnapshot(name)]
    for (const result of await Promise.allSettled(calls)) t.match(result, { status: 'rejected', reason: { code: 'FST_SNAPSHOT_INVALID_NAME', statusCode: 400, message: `Invalid snapshot name (${typeof name}): a name is a text` } })
  })
}

t.test('before says which snapshot latest is, in every method', async t => {
  const { writer } = prepare(t)
  const { completedAt } = await writer.createSnapshot('one')
  await writer.createSnapshot('two')
  const latest = { before: String(completedAt) }
  t.match(await writer.getSnapshot('latest', latest), { name: 'one' })
  t.match(await writer.updateSnapshot('latest', { labels: { kept: 'yes' } }, latest), { name: 'one', labels: { kept: 'yes' } })
  t.match(await writer.verifySnapshot('latest', latest), { snapshot: 'one' })
  await writer.deleteSnapshot('latest', latest)
  t.match((await writer.listSnapshots()).snapshots, [{ name: 'two' }])
})

t.test('after close every method says that the writer was closed', async t => {
  const { writer } = prepare(t)
  await writer.createSnapshot('one')
  await writer.close()
  const closed = { code: 'FST_SNAPSHOT_CANCELLED', message: /was closed; make a new one/ }
  const calls: Array<() => Promise<unknown>> = [
    async () => await writer.createSnapshot('two'), async () => await writer.createScheduledSnapshot(1), async () => await writer.listSnapshots(), async () => await writer.getSnapshot('one'),
    async () => await writer.updateSnapshot('one', {}), async () => { await writer.deleteSnapshot('one') }, async () => await writer.restoreFromSnapshot('one'), async () => await writer.verifySnapshot('one'),
    async () => await writer.downloadSnapshot('one'), async () => { await writer.settle() }, async () => await writer.recovery.validateDatabaseIntegrity()
  ]
  for (const call of calls) await t.rejects(call(), closed)
  t.throws(() => writer.health(), closed)
  t.throws(() => writer.recovery.lastIntegrityCheck(), closed)
  await writer.close()
  await writer.drain()
})

t.test('a restore that fails before anything is applied says that the live database is unchanged', async t => {
  const messages: string[] = []
  const { path, writer } = prepare(t, {
    migrate () { throw new Error('no such column') },
    logger: { info () {}, warn () {}, error: (_details, message) => { messages.push(message) } }
  })
  await writer.createSnapshot('before')
  new Database(path).exec('DELETE FROM items').close()
  const changed = contentOf(path)
  const message = 'Restore failed: the migrations could not be applied to the snapshot: no such column; the live database is unchanged'
  await t.rejects(writer.restoreFromSnapshot('before'), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message })
  t.same(messages, [message], 'in the log as well')
  t.same(contentOf(path), changed)
})

t.test('so does one that the storage fails', async t => {
  const { writer } = prepare(t, { storage: new UnreachableStorage(join(t.testdirName, 'backups')) })
  await writer.createSnapshot('before')
  await t.rejects(writer.restoreFromSnapshot('before'), { message: 'Restore failed: unreachable; the live database is unchanged' })
})

t.test('a restore that has made a missing database and then fails does not say so', async t => {
  const { path, context, writer } = openContext(t)
  await writer.createSnapshot('before')
  rmSync(path)
  const { runEngine } = context
  context.runEngine = async (task, ...rest) => {
    const result = await runEngine(task, ...rest)
    if (task === 'check-integrity') Object.assign(result as object, { isHealthy: false, errors: ['page 7 is gone'] })
    return result
  }
  const error = await writer.restoreFromSnapshot('before').catch((error: Error) => error)
  t.match(error, { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /^Restore failed: the database is not sound after it: page 7 is gone; and the old content was not brought back: before it there was nothing that SQLite could read/ })
  t.notMatch(error, { message: /unchanged/ })
})

t.test('evidence of a damaged database is restored only by a script, and the refusal says how', async t => {
  const { path, writer } = prepare(t, { allowDamaged: true })
  new Database(path).exec('INSERT INTO items (data) VALUES (zeroblob(300000)); PRAGMA wal_checkpoint(TRUNCATE)').close()
  damageDatabase(path)
  t.match(await writer.createSnapshot('evidence'), { integrity: 'failed' })
  await t.rejects(writer.restoreFromSnapshot('evidence'), { code: 'FST_SNAPSHOT_NOT_RESTORABLE', statusCode: 409, message: /kept as evidence; choose an earlier one.*download it, or restore it from a script: restoreFromSnapshot\(name, \{ allowDamaged: true \}\)$/ })
})

t.test('a database that had to be copied first is a warning that says why', async t => {
  const warnings: unknown[] = []
  const { context, writer } = openContext(t, { logger: { ...silentLogger, warn: (...args: unknown[]) => { warnings.push(args) } } })
  const { runEngine } = context
  context.runEngine = async (task, ...rest) => Object.assign(await runEngine(task, ...rest) as object, { copied: 'its log is a riddle' }) as never
  await writer.createSnapshot('one')
  t.match(warnings, [[{ snapshot: 'one' }, /copied before it was stored.*its log is a riddle/]])
})

t.test('where there is no sound snapshot, `latest` says so, and from before when', async t => {
  const { writer } = prepare(t)
  await t.rejects(writer.getSnapshot('latest'), { code: 'FST_SNAPSHOT_NOT_FOUND', message: /no sound snapshot of database "app" yet; create one first/ })
  await writer.createSnapshot('one')
  await t.rejects(writer.getSnapshot('latest', { before: '2020-01-01' }), { code: 'FST_SNAPSHOT_NOT_FOUND', message: /no sound snapshot of database "app" from before 2020-01-01/ })
})
