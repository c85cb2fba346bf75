import Database from 'better-sqlite3'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runEngine } from '../../src/engine/engine.ts'
import { EngineFailedError } from '../../src/errors.ts'
import type { RecordedRestore, SnapshotOptions, SnapshotWriter } from '../../src/index.ts'
import { query } from '../helpers/bank.ts'
import { flipBit } from '../helpers/damage.ts'
import { contentOf, type DatabaseOptions } from '../helpers/databases.ts'
import { killedAt } from '../helpers/killed.ts'
import { holdLock } from '../helpers/locked.ts'
import { change, openWriter, recoverable, type Recoverable } from '../helpers/recoverable.ts'

const LARGE: DatabaseOptions = { rows: 2000 }

/** A restore whose process was killed before its engine began, or when it had ended. */
async function killedRestore (t: Test, moment: 'before' | 'after', database: DatabaseOptions = LARGE): Promise<Recoverable> {
  const setUp = await recoverable(t, {}, database)
  await killedAt(setUp, moment, 'apply-image', async () => await setUp.writer.restoreFromSnapshot('a'))
  return setUp
}

/** The next process settles it. */
async function settled (t: Test, { path, recovery, folder }: Recoverable, options: SnapshotOptions = {}): Promise<{ writer: SnapshotWriter, restore: RecordedRestore, isApplied: unknown }> {
  const { writer } = openWriter(t, path, options)
  await writer.settle()
  nothingIsLeft({ path, recovery, folder })
  const [restore] = writer.recovery.listRestores()
  return { writer, restore: restore as RecordedRestore, isApplied: query(join(folder, 'backups', 'catalog.db'), `SELECT isApplied FROM restores WHERE id = '${restore!.id}'`) }
}

function nothingIsLeft ({ recovery, folder }: Pick<Recoverable, 'path' | 'recovery' | 'folder'>): void {
  const left = [...readdirSync(recovery).filter(name => /intent|partial|live/.test(name)), ...readdirSync(folder).filter(name => /\.(fresh|old)/.test(name))]
  const staged = join(folder, 'backups', '.tmp', 'app')
  if (existsSync(staged)) left.push(...readdirSync(staged))
  if (left.length > 0) throw new Error(`left over: ${left.join(', ')}`)
}

const idOf = ({ folder }: Recoverable): string => String(query(join(folder, 'backups', 'catalog.db'), 'SELECT id FROM restores'))

/** What an engine has done that is killed under the write lock, before the first page. */
function diedUnderTheLock (setUp: Recoverable, more: object = {}): string {
  const backup = join(setUp.recovery, 'pre_restore_20260101T000000Z.db')
  new Database(setUp.path).exec('PRAGMA wal_checkpoint(TRUNCATE)').close()
  copyFileSync(setUp.path, backup)
  writeFileSync(join(setUp.recovery, `.${idOf(setUp)}.intent`), JSON.stringify({ backup, ...more }))
  return backup
}

/** The application, or the disk, damages what a check finds. */
function damageSchema (path: string): void {
  const database = new Database(path)
  database.unsafeMode(true)
  database.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'items_text'")
  database.close()
}

t.test('a restore that was killed before its engine began has changed nothing', async t => {
  const setUp = await killedRestore(t, 'before')
  const { restore, isApplied } = await settled(t, setUp)
  t.match(restore, { kind: 'restore', snapshot: 'a', status: 'FAILED', preRestoreBackup: null, error: { code: 'FST_SNAPSHOT_INTERRUPTED', message: /nothing was applied/ } })
  t.equal(isApplied, 0)
  t.same(contentOf(setUp.path), setUp.before)
})

t.test('nor has one whose engine was killed before its first page, whatever the application has done since', async t => {
  const setUp = await killedRestore(t, 'before')
  const backup = diedUnderTheLock(setUp)
  change(setUp.path, "INSERT INTO items (text) VALUES ('since')")
  const content = contentOf(setUp.path)
  const { restore, isApplied } = await settled(t, setUp)
  t.match(restore, { status: 'FAILED', preRestoreBackup: backup, error: { message: /nothing was applied/ } })
  t.equal(isApplied, 0)
  t.same(contentOf(setUp.path), content)
})

t.test('a restore that was committed has succeeded, whatever the application has done since', async t => {
  const setUp = await killedRestore(t, 'after')
  change(setUp.path, "INSERT INTO items (text) VALUES ('since')")
  const { writer, restore, isApplied } = await settled(t, setUp)
  t.match(restore, { status: 'SUCCESS', error: null, times: { APPLYING: String, SUCCESS: String } })
  t.equal(isApplied, 1)
  t.match(await writer.getSnapshot('a'), { status: 'SUCCESS', lastRestoredAt: String })
  t.equal(query(setUp.path, "SELECT count(*) FROM items WHERE text = 'since'"), 1)
  t.same(contentOf(String(restore.preRestoreBackup)), setUp.before)
})

t.test('where the database is not sound after it, it gets its old content back, and the application is told', async t => {
  const setUp = await killedRestore(t, 'after')
  damageSchema(setUp.path)
  const told: unknown[] = []
  const { writer, restore } = await settled(t, setUp, { onRolledBack: result => { told.push(result) } })
  t.match(restore, { status: 'ROLLED_BACK', error: { code: 'FST_SNAPSHOT_INTERRUPTED', message: /not sound after it .*has its old content again, from \S+pre_restore_/ } })
  t.same(contentOf(setUp.path), setUp.before)
  t.match(told, [{ backup: restore.preRestoreBackup, integrity: { isHealthy: true } }])
  t.match(writer.recovery.listPreRestoreBackups().map(({ kind }) => kind), ['pre_rollback', 'pre_restore'])
})

t.test('where that backup is damaged too, the error says so, and it is not tried for ever', async t => {
  const setUp = await killedRestore(t, 'after')
  damageSchema(setUp.path)
  const [backup] = readdirSync(setUp.recovery).filter(name => /^pre_restore_2.*\.db$/.test(name))
  flipBit(join(setUp.recovery, String(backup)), 0.5)
  const { restore, isApplied } = await settled(t, setUp)
  t.match(restore, { status: 'FAILED', error: { message: /not sound after it .*old content, \S+pre_restore_\S+, could not be brought back: .*has changed since/ } })
  t.equal(isApplied, 1)
})

t.test('where a rollback fails that may go well later, it is tried again', async t => {
  const setUp = await killedRestore(t, 'after')
  damageSchema(setUp.path)
  const { writer, context } = openWriter(t, setUp.path)
  context.runEngine = async (task, input, options) => {
    if (task === 'take-backup') throw new EngineFailedError(task)
    return await runEngine(task, input, options)
  }
  await t.rejects(writer.settle(), { code: 'FST_SNAPSHOT_ENGINE_FAILED' })
  t.match(writer.recovery.listRestores(), [{ status: 'APPLYING' }])
  await writer.close()
  t.match((await settled(t, setUp)).restore, { status: 'ROLLED_BACK' })
  t.same(contentOf(setUp.path), setUp.before)
})

t.test('while the database is locked nothing is settled, and no other change begins; the rest goes on', async t => {
  const setUp = await killedRestore(t, 'after', { ...LARGE, journalMode: 'delete' })
  const { writer, log } = openWriter(t, setUp.path, { lockTimeout: 100 })
  const release = await holdLock(t, setUp.path)
  await t.rejects(writer.settle(), { code: 'FST_SNAPSHOT_DATABASE_LOCKED' })
  await t.rejects(writer.restoreFromSnapshot('a'), { code: 'FST_SNAPSHOT_DATABASE_LOCKED' })
  await t.rejects(writer.recovery.rollback(), { code: 'FST_SNAPSHOT_DATABASE_LOCKED' })
  t.match(await writer.verifySnapshot('a'), { isHealthy: true })
  t.match(log, [{ level: 'warn', message: /What an earlier process left was not settled yet: .*locked/ }])
  t.match(writer.recovery.listRestores(), [{ status: 'APPLYING' }])
  t.equal(writer.recovery.listRestores().length, 1, 'nothing else was begun')
  await release()
  await writer.recovery.rollback()
  t.match(writer.recovery.listRestores(), [{ kind: 'rollback', status: 'SUCCESS' }, { kind: 'restore', status: 'SUCCESS' }])
  t.same(contentOf(setUp.path), setUp.before)
})

t.test('where it cannot be told any more, nothing is rolled back, and the backup is named', async t => {
  const rewrite = ({ path }: Recoverable): void => { change(path, 'UPDATE items SET text = hex(randomblob(30)), data = randomblob(3000); CREATE TABLE since (a)') }
  const loseBackup = ({ recovery }: Recoverable): void => { for (const file of readdirSync(recovery).filter(name => name.startsWith('pre_restore_2'))) rmSync(join(recovery, file)) }
  const loseImage = ({ folder }: Recoverable): void => { rmSync(join(folder, 'backups', '.tmp'), { recursive: true }) }
  for (const lose of [rewrite, loseBackup, loseImage]) {
    const setUp = await killedRestore(t, 'after')
    lose(setUp)
    const content = contentOf(setUp.path)
    const { restore, isApplied } = await settled(t, setUp)
    t.match(restore, { status: 'FAILED', error: { message: /holds either its old or the restored content; the old one is in \S+pre_restore_/ } })
    t.equal(isApplied, null)
    t.same(contentOf(setUp.path), content)
  }
})

t.test('a file that was put in place is restored', async t => {
  const setUp = await recoverable(t)
  writeFileSync(setUp.path, 'gone')
  await killedAt(setUp, 'after', 'replace-file', async () => await setUp.writer.restoreFromSnapshot('a'))
  const { restore, isApplied } = await settled(t, setUp)
  t.match(restore, { status: 'SUCCESS', preRestoreBackup: null })
  t.equal(isApplied, 1)
  t.same(contentOf(setUp.path), setUp.saved)
  const [quarantine] = readdirSync(setUp.recovery).filter(name => name.startsWith('quarantine'))
  t.equal(readFileSync(join(setUp.recovery, String(quarantine), 'app.db'), 'utf8'), 'gone')
})

t.test('one that was not is as it was', async t => {
  const setUp = await recoverable(t)
  writeFileSync(setUp.path, 'gone')
  await killedAt(setUp, 'before', 'replace-file', async () => await setUp.writer.restoreFromSnapshot('a'))
  t.match((await settled(t, setUp)).restore, { status: 'FAILED', error: { message: /nothing was applied/ } })
  t.equal(readFileSync(setUp.path, 'utf8'), 'gone')
})

t.test('a file that was put in place and is not sound stays where nothing else is', async t => {
  const setUp = await recoverable(t)
  writeFileSync(setUp.path, 'gone')
  await killedAt(setUp, 'after', 'replace-file', async () => await setUp.writer.restoreFromSnapshot('a'))
  damageSchema(setUp.path)
  const { restore, isApplied } = await settled(t, setUp)
  t.match(restore, { status: 'FAILED', error: { message: /it had been applied, and the database is not sound/ } })
  t.equal(isApplied, 1)
})

for (const [what, isDone] of [['had been replaced', true], ['had not been', false]] as const) {
  t.test(`a restore that ended without knowing whether the file ${what} is told of by the next change`, async t => {
    const { path, folder, recovery, context, writer } = await recoverable(t)
    writeFileSync(path, 'gone')
    context.runEngine = async (task, input, options) => {
      if (task === 'settle-replacement') throw new EngineFailedError(task)
      if (task !== 'replace-file') return await runEngine(task, input, options)
      if (isDone) await runEngine(task, input, options)
      else writeFileSync((input as { intentFile: string }).intentFile, JSON.stringify({ backup: null, quarantine: join(recovery, 'quarantine'), wasMissing: false, isCheckpointed: false, modifiedMs: 0 }))
      if (!isDone) writeFileSync(`${path}.${(input as { id: string }).id}.fresh`, 'new')
      throw new EngineFailedError(task)
    }
    await t.rejects(writer.restoreFromSnapshot('a'), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /ended unexpectedly.*the old content was not brought back/ })
    const isApplied = (): unknown => query(join(folder, 'backups', 'catalog.db'), "SELECT isApplied FROM restores WHERE kind = 'restore'")
    t.equal(isApplied(), null)
    await t.rejects(writer.recovery.emergencyDatabaseReset(), { code: 'FST_SNAPSHOT_ENGINE_FAILED' }, 'no other change begins before that is known')
    context.runEngine = runEngine
    const recovering = writer.recovery.recoverFromFailedRestore('a')
    if (isDone) await t.rejects(recovering, { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /before it there was nothing that SQLite could read/ })
    else t.match(await recovering, { isRolledBack: false, integrity: { isHealthy: false } })
    t.equal(isApplied(), Number(isDone))
    nothingIsLeft({ path, folder, recovery })
  })
}

for (const mode of ['replace', 'missing-rows'] as const) {
  t.test(`a restore of tables that was committed has succeeded, mode ${mode}`, async t => {
    const setUp = await recoverable(t)
    await killedAt(setUp, 'after', 'restore-tables', async () => await setUp.writer.restoreTables('a', ['items'], { mode }))
    if (mode === 'missing-rows') change(setUp.path, "INSERT INTO items (text) VALUES ('since')")
    const { restore, isApplied } = await settled(t, setUp)
    t.match(restore, { kind: 'tables', status: 'SUCCESS', error: null })
    t.equal(isApplied, 1)
    t.equal(query(setUp.path, 'SELECT count(*) FROM items'), mode === 'replace' ? 100 : 101)
  })

  t.test(`one that was not has changed nothing, mode ${mode}`, async t => {
    const setUp = await recoverable(t)
    await killedAt(setUp, 'before', 'restore-tables', async () => await setUp.writer.restoreTables('a', ['items'], { mode }))
    const backup = diedUnderTheLock(setUp, { tables: ['ITEMS'], mode })
    change(setUp.path, 'CREATE TABLE since (a)')
    const { restore, isApplied } = await settled(t, setUp)
    t.match(restore, { kind: 'tables', status: 'FAILED', preRestoreBackup: backup, error: { message: /nothing was applied/ } })
    t.equal(isApplied, 0)
  })
}

t.test('where the application has gone on with the tables it cannot be told', async t => {
  for (const sql of ["UPDATE items SET text = 'since' WHERE id = 60", 'DROP TABLE items', 'ALTER TABLE items RENAME COLUMN id TO a; ALTER TABLE items RENAME COLUMN text TO b; ALTER TABLE items RENAME COLUMN data TO c']) {
    const setUp = await recoverable(t)
    await killedAt(setUp, 'after', 'restore-tables', async () => await setUp.writer.restoreTables('a', ['items']))
    change(setUp.path, sql)
    const content = contentOf(setUp.path)
    const { restore } = await settled(t, setUp)
    t.match(restore, { status: 'FAILED', error: { message: /either its old or the restored content; the old one is in \S+pre_restore_/ } })
    t.same(contentOf(setUp.path), content)
  }
})

t.test('rollbacks and resets are settled in the same way', async t => {
  for (const [kind, begin] of [['rollback', async (writer: SnapshotWriter) => await writer.recovery.rollback()], ['reset', async (writer: SnapshotWriter) => await writer.recovery.emergencyDatabaseReset()]] as const) {
    for (const [moment, status] of [['before', 'FAILED'], ['after', 'SUCCESS']] as const) {
      const setUp = await recoverable(t, {}, LARGE)
      await setUp.writer.restoreFromSnapshot('a')
      change(setUp.path, 'DELETE FROM items WHERE id > 1500')
      const before = contentOf(setUp.path)
      const expected = { FAILED: before, SUCCESS: kind === 'rollback' ? setUp.before : setUp.saved }[status]
      await killedAt(setUp, moment, 'apply-image', async () => await begin(setUp.writer))
      t.match((await settled(t, setUp)).restore, { kind, status })
      t.same(contentOf(setUp.path), expected, `${kind} ${moment}`)
    }
  }
})
