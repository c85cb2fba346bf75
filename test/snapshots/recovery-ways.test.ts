import Database from 'better-sqlite3'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SnapshotOptions, SnapshotWriter } from '../../src/index.ts'
import { damageDatabase, flipBit } from '../helpers/damage.ts'
import { contentOf, integrityOf, makeDatabase, type DatabaseOptions } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'
import { packsIn } from '../helpers/sharing.ts'

interface Setup { path: string, recovery: string, writer: SnapshotWriter }

/** A database, and a writer for it. */
function setUp (t: Test, options: SnapshotOptions = {}, database: DatabaseOptions = {}): Setup {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path, database).close()
  return { path, recovery: join(t.testdirName, 'recovery'), writer: writerFor(t, path, options) }
}

function change (path: string, sql: string): void {
  new Database(path).exec(sql).close()
}

t.test('a rollback brings the content from before the last restore back, after a safety copy of its own', async t => {
  const { path, writer } = setUp(t)
  await writer.createSnapshot('a')
  change(path, 'DELETE FROM items')
  const before = contentOf(path)
  const { preRestoreBackup } = await writer.restoreFromSnapshot('a')
  const restored = contentOf(path)
  t.notSame(restored, before)
  const result = await writer.recovery.rollback()
  t.match(result, { backup: preRestoreBackup, integrity: { isHealthy: true }, replacement: null })
  t.same(contentOf(path), before)
  t.same(contentOf(String(result.safetyCopy)), restored)
  t.match(writer.recovery.listRestores(), [{ kind: 'rollback', status: 'SUCCESS' }, { kind: 'restore', snapshot: 'a', status: 'SUCCESS' }])
  t.match(writer.recovery.listPreRestoreBackups(), [{ kind: 'pre_rollback' }, { kind: 'pre_restore', snapshot: 'a', path: preRestoreBackup }])
})

t.test('a rollback goes to any backup that is kept, by its name or path', async t => {
  const { path, writer } = setUp(t)
  await writer.createSnapshot('a')
  const contents: Array<Record<string, string>> = []
  for (let id = 1; id <= 3; id++) {
    change(path, `DELETE FROM items WHERE id = ${id}`)
    contents.push(contentOf(path))
    await writer.restoreFromSnapshot('a')
  }
  const [third, second, first] = writer.recovery.listPreRestoreBackups()
  await writer.recovery.rollback({ backup: first!.name })
  t.same(contentOf(path), contents[0])
  await writer.recovery.rollback({ backup: second!.path })
  t.same(contentOf(path), contents[1])
  await writer.recovery.rollback({ backup: `${third!.name}.db` })
  t.same(contentOf(path), contents[2])
})

t.test('a rollback to what is no backup is refused and changes nothing', async t => {
  const { path, writer } = setUp(t)
  await t.rejects(writer.recovery.rollback(), { code: 'FST_SNAPSHOT_NOT_FOUND', message: /no pre-restore backup yet/ })
  for (const backup of ['nothing', '../app.db', path]) await t.rejects(writer.recovery.rollback({ backup }), { code: 'FST_SNAPSHOT_NOT_FOUND' })
  await t.rejects(writer.recovery.rollback({ backup: 3 } as never), { code: 'FST_SNAPSHOT_INVALID_REQUEST' })
})

t.test('after a restore that succeeded, recovery brings the content from before it back', async t => {
  const { path, writer } = setUp(t)
  await writer.createSnapshot('a')
  change(path, 'DELETE FROM items')
  const before = contentOf(path)
  const { restoreId, preRestoreBackup } = await writer.restoreFromSnapshot('a')
  t.match(await writer.recovery.recoverFromFailedRestore('a', new Error('the application does not start')), { snapshot: 'a', restoreId, isRolledBack: true, backup: preRestoreBackup, integrity: { isHealthy: true } })
  t.same(contentOf(path), before)
})

t.test('after a restore that failed before anything was applied, recovery changes nothing and says so', async t => {
  const { path, writer } = setUp(t)
  await writer.createSnapshot('a')
  flipBit(packsIn(join(path, '..', 'backups'))[0]!, 0.3)
  const error = await writer.restoreFromSnapshot('a').catch((error: unknown) => error)
  change(path, 'DELETE FROM items WHERE id = 1')
  const content = contentOf(path)
  t.match(await writer.recovery.recoverFromFailedRestore('a', error), { isRolledBack: false, backup: null, safetyCopy: null, integrity: { isHealthy: true } })
  t.same(contentOf(path), content, 'what was committed since stays')
  await t.rejects(writer.recovery.recoverFromFailedRestore('b'), { code: 'FST_SNAPSHOT_NOT_FOUND', message: /no restore of "b"/ })
})

t.test('a reset of a damaged database takes the newest snapshot, and keeps the damaged files', async t => {
  const { path, writer, recovery } = setUp(t)
  await writer.createSnapshot('old')
  change(path, 'DELETE FROM items WHERE id < 50')
  await writer.createSnapshot('new')
  const content = contentOf(path)
  damageDatabase(path)
  t.equal((await writer.recovery.validateDatabaseIntegrity()).isHealthy, false)
  const result = await writer.recovery.emergencyDatabaseReset()
  t.match(result, { snapshot: 'new', skipped: [], integrity: { isHealthy: true } })
  t.same(contentOf(path), content)
  t.match(String(result.quarantine), new RegExp(`^${recovery}/quarantine_\\d{8}T\\d{6}Z`))
  t.ok(existsSync(join(String(result.quarantine), 'app.db')))
  t.notSame(integrityOf(join(String(result.quarantine), 'app.db')), 'ok')
})

t.test('a reset walks back to the newest snapshot that is whole', async t => {
  const { path, writer } = setUp(t, { maxParentAge: 0 })
  await writer.createSnapshot('old')
  const content = contentOf(path)
  change(path, 'DELETE FROM items')
  const { id } = await writer.createSnapshot('new')
  flipBit(packsIn(join(path, '..', 'backups')).find(file => file.includes(id))!, 0.2)
  damageDatabase(path)
  t.match(await writer.recovery.emergencyDatabaseReset(), { snapshot: 'old', skipped: [{ snapshot: 'new', reason: /damaged/ }] })
  t.same(contentOf(path), content)
})

t.test('a reset without any usable snapshot changes nothing, and names the other way', async t => {
  const { path, writer, recovery } = setUp(t)
  const content = contentOf(path)
  await t.rejects(writer.recovery.emergencyDatabaseReset(), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /no snapshot.*from: 'empty'.*live database is unchanged/ })
  t.same(contentOf(path), content)
  t.same(readdirSync(recovery).filter(file => file.startsWith('quarantine')), [])
})

t.test('a reset to an empty database leaves the migrations only', async t => {
  const migrate = (file: string): void => { change(file, 'CREATE TABLE migrated (id INTEGER PRIMARY KEY)') }
  const { path, writer } = setUp(t, { migrate })
  damageDatabase(path)
  t.match(await writer.recovery.emergencyDatabaseReset({ from: 'empty' }), { snapshot: null, integrity: { isHealthy: true } })
  const database = new Database(path)
  t.same(database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all(), ['migrated'])
  database.close()
  await t.rejects(writer.recovery.emergencyDatabaseReset({ from: 'somewhere' } as never), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /latest-snapshot, empty/ })
})

const unreadable: Record<string, (path: string) => void> = {
  'a damaged header': path => {
    const bytes = Buffer.alloc(16, 'x')
    const database = new Database(path)
    database.close()
    writeAt(path, bytes, 0)
  },
  'a file cut to nothing like a database': path => { writeFileSync(path, 'gone') },
  'another page size': path => { change(path, 'PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL') }
}
for (const [what, harm] of Object.entries(unreadable)) {
  t.test(`where SQLite cannot change the live file (${what}), a restore replaces it, and the application is told`, async t => {
    const told: string[] = []
    const { path, writer } = setUp(t, {
      onBeforeReplace: ({ reason }) => { told.push(`before: ${reason}`) },
      onAfterReplace: ({ quarantine }) => { told.push(`after: ${String(quarantine)}`) }
    })
    await writer.createSnapshot('a')
    const content = contentOf(path)
    harm(path)
    const result = await writer.restoreFromSnapshot('a')
    t.match(result, { status: 'SUCCESS', replacement: { path, heldBy: [] } })
    t.same(contentOf(path), content)
    t.same(told, [`before: ${result.replacement!.reason}`, `after: ${String(result.replacement!.quarantine)}`])
    t.ok(existsSync(join(String(result.replacement!.quarantine), 'app.db')), 'the old file is kept')
    t.same(readdirSync(join(path, '..')).filter(file => file.startsWith('app.db.')), [], 'nothing is left beside it')
    t.match(await writer.createSnapshot('b'), { status: 'COMPLETED' })
  })
}

t.test('a process that still has the old file open is named', { skip: process.platform !== 'linux' && 'Linux shows open files' }, async t => {
  const { path, writer } = setUp(t)
  await writer.createSnapshot('a')
  change(path, 'PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM')
  const held = new Database(path)
  t.teardown(() => { held.close() })
  held.prepare('SELECT * FROM items').all()
  t.match(await writer.restoreFromSnapshot('a'), { replacement: { heldBy: [process.pid] } })
})

t.test('hooks that fail or take for ever do not keep the data from coming back', async t => {
  const log: string[] = []
  const logger = { info () {}, warn () {}, error: (_details: object, message: string) => { log.push(message) } }
  const { path, writer } = setUp(t, { logger, replaceTimeout: 50, onBeforeReplace: async () => { await new Promise(() => {}) }, onAfterReplace: () => { throw new Error('cannot open') } })
  await writer.createSnapshot('a')
  writeFileSync(path, 'gone')
  t.match(await writer.restoreFromSnapshot('a'), { status: 'SUCCESS' })
  t.match(log, ['The hook onBeforeReplace failed: it was not done after 50 ms', 'The hook onAfterReplace failed: cannot open'])
})

t.test('old backups are removed, the newest of each kind never', async t => {
  const { path, writer, recovery } = setUp(t, { preRestoreBackups: { keepLast: 2 } })
  await writer.createSnapshot('a')
  for (let id = 1; id <= 4; id++) {
    change(path, `DELETE FROM items WHERE id = ${id}`)
    await writer.restoreFromSnapshot('a')
  }
  t.equal(writer.recovery.listPreRestoreBackups().length, 2)
  await writer.close()
  const long = new Date(0)
  for (const file of readdirSync(recovery).filter(file => file.startsWith('pre_restore_2'))) utimesSync(join(recovery, file), long, long)
  const next = writerFor(t, path, { preRestoreBackups: { maxAge: 1000 } })
  await next.restoreFromSnapshot('a')
  t.equal(next.recovery.listPreRestoreBackups().length, 3, 'one time alone does not make them old')
  await next.restoreFromSnapshot('a')
  t.equal(next.recovery.listPreRestoreBackups().length, 2)
})

t.test('foreign keys are checked on request', async t => {
  const { path, writer } = setUp(t)
  change(path, 'CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children (parent REFERENCES parents (id)); PRAGMA foreign_keys = OFF; INSERT INTO children VALUES (7)')
  t.match(await writer.recovery.validateDatabaseIntegrity({ mode: 'full' }), { isHealthy: true })
  t.match(await writer.recovery.validateDatabaseIntegrity({ foreignKeys: true }), { isHealthy: false, errors: [/foreign key: row 1 of children refers to a row that parents does not have/] })
})

t.test('what can be read of a damaged database is salvaged, also of the live one', async t => {
  const { path, writer, recovery } = setUp(t, {}, { rows: 3000 })
  damageDatabase(path)
  const live = await writer.recovery.salvage(path)
  t.match(live, { path: new RegExp(`^${recovery}/salvaged_`), tables: [{ name: 'items' }], integrity: { isHealthy: true } })
  t.equal(integrityOf(live.path), 'ok')
  const copy = join(path, '..', 'copy.db')
  writeFileSync(copy, 'no database at all '.repeat(1000))
  await t.rejects(writer.recovery.salvage(join(path, '..', 'missing.db')), { code: 'FST_SNAPSHOT_DATABASE_MISSING' })
  await t.rejects(writer.recovery.salvage(path, { destination: copy }), { code: 'FST_SNAPSHOT_DESTINATION_TAKEN' })
  t.same(readdirSync(recovery).filter(file => file.endsWith('.source')), [])
})

function writeAt (path: string, bytes: Buffer, at: number): void {
  const whole = readFileSync(path)
  bytes.copy(whole, at)
  writeFileSync(path, whole)
}
