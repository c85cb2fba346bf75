import { execFileSync } from 'node:child_process'
import Database from 'better-sqlite3'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { runEngine } from '../../src/engine/engine.ts'
import { EngineFailedError } from '../../src/errors.ts'
import { query } from '../helpers/bank.ts'
import { damageDatabase, flipBit } from '../helpers/damage.ts'
import { contentOf, journalModeOf, makeDatabase, makeLargeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { change, openWriter, recoverable, type Recoverable } from '../helpers/recoverable.ts'
import { packsIn } from '../helpers/sharing.ts'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.ts'

const packOf = (folder: string, id: string): string => packsIn(join(folder, 'backups')).find(file => file.includes(id)) as string
const quarantinesIn = (recovery: string): string[] => readdirSync(recovery).filter(name => name.startsWith('quarantine'))

/** Turns the bytes of a database into what SQLite opens and finds damaged. */
function damageSchema (path: string): void {
  const database = new Database(path)
  database.unsafeMode(true)
  database.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'items_text'")
  database.close()
}

t.test('it walks back past what is damaged, gone or unsound to the newest snapshot that can be used, and says what was passed over', async t => {
  const { path, folder, writer, log } = await recoverable(t, { maxParentAge: 0 })
  const content = contentOf(path)
  await writer.createSnapshot('sound')
  for (const [name, id] of [['cut', 1], ['gone', 2], ['spoilt', 3]] as const) {
    change(path, `DELETE FROM items WHERE id = ${id} + 60`)
    const snapshot = await writer.createSnapshot(name)
    const pack = packOf(folder, snapshot.id)
    if (name === 'cut') writeFileSync(pack, readFileSync(pack).subarray(0, 100))
    else if (name === 'gone') rmSync(dirname(pack), { recursive: true })
    else flipBit(pack, 0.2)
  }
  damageSchema(path)
  await t.rejects(writer.createSnapshot('failed'))
  await writer.createSnapshot('evidence', { allowDamaged: true })
  const result = await writer.recovery.emergencyDatabaseReset()
  t.match(result, { snapshot: 'sound', skipped: [{ snapshot: 'spoilt', reason: /damaged/ }, { snapshot: 'gone', reason: /no object|missing|gone/i }, { snapshot: 'cut', reason: String }], integrity: { isHealthy: true }, replacement: null })
  t.equal(result.skipped.length, 3, 'what failed or is kept as evidence is no candidate')
  t.same(contentOf(path), content)
  t.equal(log.filter(({ level, message }) => level === 'warn' && /A snapshot cannot be used for the reset/.test(message)).length, 3)
  t.match(writer.recovery.listRestores(), [{ kind: 'reset', snapshot: 'sound', status: 'SUCCESS' }])
})

t.test('a snapshot whose database turns out to be damaged is passed over', async t => {
  const { path, context, writer, saved } = await recoverable(t)
  await writer.createSnapshot('b')
  let staged = 0
  context.runEngine = async (task, input, options) => {
    const result = await runEngine(task, input, options)
    if (task === 'stage-image' && ++staged === 1) Object.assign(result as object, { errors: ['page 7 is gone'] })
    return result
  }
  t.match(await writer.recovery.emergencyDatabaseReset(), { snapshot: 'a', skipped: [{ snapshot: 'b', reason: /damaged.*page 7 is gone/ }] })
  t.same(contentOf(path), saved)
})

t.test('an engine that was killed says nothing of a snapshot: it is tried once more', async t => {
  const { path, context, writer } = await recoverable(t)
  await writer.createSnapshot('b')
  const content = contentOf(path)
  let staged = 0
  context.runEngine = async (task, input, options) => {
    if (task === 'stage-image' && ++staged === 1) throw new EngineFailedError(task)
    return await runEngine(task, input, options)
  }
  t.match(await writer.recovery.emergencyDatabaseReset(), { snapshot: 'b', skipped: [] })
  t.same(contentOf(path), content)
})

t.test('a snapshot that the migrations do not fit is passed over; where none is left, the live database stays as it is', async t => {
  const refused: string[] = []
  let isRefusing = false
  const { path, recovery, writer, saved, before } = await recoverable(t, {
    migrate: file => {
      if (refused.length > 0 && !isRefusing) return
      refused.push(file)
      throw new Error('too new')
    }
  })
  await writer.createSnapshot('b')
  t.match(await writer.recovery.emergencyDatabaseReset(), { snapshot: 'a', skipped: [{ snapshot: 'b', reason: /migrations could not be applied.*too new/ }] })
  t.same(contentOf(path), saved)
  await writer.recovery.rollback({ backup: writer.recovery.listPreRestoreBackups()[0]!.name })
  isRefusing = true
  const kept = quarantinesIn(recovery)
  await t.rejects(writer.recovery.emergencyDatabaseReset(), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /no snapshot.*tried were b \(.*too new.*\), a \(.*from: 'empty'.*unchanged/ })
  t.same(contentOf(path), before)
  t.same(quarantinesIn(recovery), kept)
})

t.test('where the database is gone there is nothing to keep', async t => {
  const { path, writer, saved } = await recoverable(t)
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  t.match(await writer.recovery.emergencyDatabaseReset(), { snapshot: 'a', quarantine: null })
  t.same(contentOf(path), saved)
  t.match(writer.recovery.listRestores(), [{ kind: 'reset', preRestoreBackup: null }])
  rmSync(dirname(path), { recursive: true })
})

t.test('where its folder is gone that is made again', async t => {
  const folder = testFolder(t, { data: {} })
  const path = join(folder, 'data', 'app.db')
  makeDatabase(path).close()
  const { writer } = openWriter(t, path, { snapshotDir: join(folder, 'backups'), recoveryDir: join(folder, 'recovery') })
  await writer.createSnapshot('a')
  const content = contentOf(path)
  rmSync(join(folder, 'data'), { recursive: true })
  await writer.recovery.emergencyDatabaseReset()
  t.same(contentOf(path), content)
})

t.test('open connections see the new content where SQLite can change it, and the files from before are kept with the log', async t => {
  const { path, writer, saved } = await recoverable(t)
  const application = new Database(path)
  t.teardown(() => { application.close() })
  application.pragma('wal_autocheckpoint = 0')
  application.exec("INSERT INTO items (text) VALUES ('in the log')")
  const { quarantine, replacement } = await writer.recovery.emergencyDatabaseReset()
  t.equal(replacement, null)
  t.equal(application.prepare('SELECT count(*) FROM items').pluck().get(), 100)
  t.same(contentOf(path), saved)
  t.equal(query(join(String(quarantine), 'app.db'), "SELECT count(*) FROM items WHERE text = 'in the log'"), 1)
})

t.test('an empty database keeps the kind of the one before: page size, encoding, journal mode', async t => {
  for (const journalMode of ['wal', 'delete'] as const) {
    const { path, writer } = await recoverable(t, {}, { pageSize: 8192, encoding: 'UTF-16le', journalMode })
    const result = await writer.recovery.emergencyDatabaseReset({ from: 'empty' })
    t.match(result, { snapshot: null, skipped: [], replacement: null })
    t.same([query(path, 'PRAGMA page_size'), query(path, 'PRAGMA encoding'), journalModeOf(path)], [8192, 'UTF-16le', journalMode])
    t.equal(query(path, 'SELECT count(*) FROM sqlite_schema'), 0)
    t.match(writer.recovery.listRestores(), [{ kind: 'reset', snapshot: 'empty' }])
  }
})

t.test('an empty database is made where none is, and where nothing can be read of it', async t => {
  for (const harm of [(path: string) => { rmSync(path) }, (path: string) => { writeFileSync(path, Buffer.alloc(4096, 0xff)) }]) {
    const { path, writer } = await recoverable(t)
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
    harm(path)
    t.match(await writer.recovery.emergencyDatabaseReset({ from: 'empty' }), { snapshot: null, integrity: { isHealthy: true } })
    t.equal(query(path, 'PRAGMA page_size'), 4096)
    t.match(await writer.createSnapshot('empty'), { status: 'COMPLETED' })
  }
})

t.test('Drizzle migrations are applied to an empty database', async t => {
  const journal = { version: '7', dialect: 'sqlite', entries: [{ idx: 0, version: '6', when: 1, tag: '0000_first', breakpoints: true }] }
  const migrations = { folder: join(testFolder(t, { drizzle: { '0000_first.sql': 'CREATE TABLE orders (id INTEGER PRIMARY KEY);', meta: { '_journal.json': JSON.stringify(journal) } } }), 'drizzle') }
  const path = join(t.testdirName, 'app.db')
  makeDatabase(path).close()
  const { writer } = openWriter(t, path, { migrations })
  await writer.recovery.emergencyDatabaseReset({ from: 'empty' })
  t.equal(query(path, "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'"), 'orders')
})

t.test('a reset after which the database is not sound says where its files are, and is recorded as failed', async t => {
  const { path, context, writer, before } = await recoverable(t)
  context.runEngine = async (task, input, options) => {
    const result = await runEngine(task, input, options)
    if (task === 'check-integrity' && (input as { target: { path: string } }).target.path === path) Object.assign(result as object, { isHealthy: false, errors: ['page 7 is gone'] })
    return result
  }
  const error = await writer.recovery.emergencyDatabaseReset().catch((error: Error) => error) as Error
  t.match(error, { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /not sound after the reset: page 7 is gone. Its files from before are in \S+quarantine_/ })
  const [, quarantine] = /in (\S+)$/.exec(error.message) ?? []
  t.same(contentOf(join(String(quarantine), 'app.db')), before)
  t.match(writer.recovery.listRestores(), [{ kind: 'reset', status: 'FAILED', error: { message: /page 7 is gone/ } }])
})

t.test('where there is no room for the image, older snapshots are not tried', { skip: noSmallDisk }, async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeLargeDatabase(path, 4_000_000)
  const snapshotDir = mountSmallDisk(t, 3)
  const { writer, log } = openWriter(t, path, { snapshotDir })
  await writer.createSnapshot('a', { full: true })
  await writer.createSnapshot('b', { full: true })
  const content = contentOf(path)
  await t.rejects(writer.recovery.emergencyDatabaseReset(), { code: 'FST_SNAPSHOT_NO_ROOM', message: /the staged snapshot/ })
  t.same(log.filter(({ message }) => /cannot be used/.test(message)), [])
  t.same(contentOf(path), content)
})

t.test('and none is begun where there is none for the files from before', { skip: noSmallDisk }, async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeLargeDatabase(path, 4_000_000)
  const { writer } = openWriter(t, path, { recoveryDir: mountSmallDisk(t, 2) })
  await writer.createSnapshot('a')
  await t.rejects(writer.recovery.emergencyDatabaseReset(), { code: 'FST_SNAPSHOT_NO_ROOM', message: /the files of the database as they are/ })
})

t.test('a reset is cancelled while nothing is changed yet', async t => {
  const migrating = Promise.withResolvers<void>()
  const { path, writer, before } = await recoverable(t, { migrate: async () => { migrating.resolve(); await new Promise(() => {}) } })
  const resetting = t.rejects(writer.recovery.emergencyDatabaseReset(), { code: 'FST_SNAPSHOT_CANCELLED' })
  await migrating.promise
  await writer.close()
  await resetting
  t.same(contentOf(path), before)
})

t.test('it works in a script of its own, with nothing but the path', async t => {
  const setUp: Recoverable = await recoverable(t)
  damageDatabase(setUp.path)
  await setUp.writer.close()
  const script = `import { SnapshotRecovery } from ${JSON.stringify(join(process.cwd(), 'src/index.ts'))}
const recovery = new SnapshotRecovery({ database: ${JSON.stringify(setUp.path)} })
console.log((await recovery.emergencyDatabaseReset()).snapshot)
await recovery.close()`
  t.equal(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } }), 'a\n')
  t.same(contentOf(setUp.path), setUp.saved)
  t.notOk(existsSync(join(setUp.folder, 'backups', '.tmp', 'app')) && readdirSync(join(setUp.folder, 'backups', '.tmp', 'app')).length > 0)
})
