import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { runEngine } from '../../src/engine/engine.ts'
import { damageDatabase } from '../helpers/damage.ts'
import { contentOf, makeDatabase, makeLargeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { change, openWriter, recoverable } from '../helpers/recoverable.ts'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.ts'

t.test('it works as the first thing that a process does', async t => {
  const { path, writer, before } = await recoverable(t)
  await writer.restoreFromSnapshot('a')
  await writer.close()
  const next = openWriter(t, path).writer
  t.match(await next.recovery.rollback(), { integrity: { isHealthy: true } })
  t.same(contentOf(path), before)
})

t.test('without a name it goes to the newest backup from before a restore, not to that of a rollback or a reset', async t => {
  const { path, writer, before } = await recoverable(t)
  const { preRestoreBackup } = await writer.restoreFromSnapshot('a')
  await writer.recovery.emergencyDatabaseReset({ from: 'empty' })
  for (const backup of [undefined, 'pre_restore_latest', 'pre_restore_latest.db']) {
    const result = await writer.recovery.rollback({ ...(backup !== undefined && { backup }) })
    t.equal(result.backup, preRestoreBackup)
    t.same(contentOf(path), before)
  }
})

t.test('the backup stays as it is', async t => {
  const { writer } = await recoverable(t)
  const backup = String((await writer.restoreFromSnapshot('a')).preRestoreBackup)
  const bytes = readFileSync(backup)
  await writer.recovery.rollback()
  t.ok(readFileSync(backup).equals(bytes))
  t.same(readdirSync(dirname(backup)).filter(name => /-(wal|shm|journal)$|partial|intent/.test(name)), [])
})

t.test('where the database or its folder is gone, it is made again, without a safety copy', async t => {
  for (const isFolderGone of [false, true]) {
    const folder = testFolder(t, { data: {} })
    const path = join(folder, 'data', 'app.db')
    makeDatabase(path).close()
    const { writer } = openWriter(t, path, { snapshotDir: join(folder, 'backups'), recoveryDir: join(folder, 'recovery') })
    await writer.createSnapshot('a')
    change(path, 'DELETE FROM items WHERE id < 50')
    const before = contentOf(path)
    await writer.restoreFromSnapshot('a')
    if (isFolderGone) rmSync(dirname(path), { recursive: true })
    else for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    t.match(await writer.recovery.rollback(), { safetyCopy: null, replacement: { reason: 'there was no file', quarantine: null, heldBy: [] } })
    t.same(contentOf(path), before)
    await writer.close()
  }
})

t.test('a file that SQLite cannot open is replaced', async t => {
  const { path, writer, before } = await recoverable(t)
  await writer.restoreFromSnapshot('a')
  writeFileSync(path, 'gone')
  const { safetyCopy, replacement } = await writer.recovery.rollback()
  t.equal(safetyCopy, null)
  t.equal(readFileSync(join(String(replacement!.quarantine), 'app.db'), 'utf8'), 'gone')
  t.same(contentOf(path), before)
})

t.test('a content that was damaged before the restore comes back as it was, if that is wanted', async t => {
  const { path, recovery, writer, saved } = await recoverable(t, {}, { rows: 3000 })
  damageDatabase(path)
  const { preRestoreBackup } = await writer.restoreFromSnapshot('a')
  t.match(await writer.recovery.rollback(), { integrity: { isHealthy: false } }, 'its checksum says that it is what was there')
  await writer.restoreFromSnapshot('a')
  rmSync(`${String(preRestoreBackup)}.sha256`)
  await t.rejects(writer.recovery.rollback({ backup: String(preRestoreBackup) }), { code: 'FST_SNAPSHOT_DAMAGED', message: /not sound.*no checksum/ })
  t.same(contentOf(path), saved)
  t.ok(readdirSync(recovery).length > 0)
})

t.test('a database that is not sound after it is an error, and the safety copy is kept', async t => {
  const { path, context, writer } = await recoverable(t)
  await writer.restoreFromSnapshot('a')
  const content = contentOf(path)
  context.runEngine = async (task, input, options) => {
    const result = await runEngine(task, input, options)
    if (task === 'check-integrity' && (input as { target: { path: string } }).target.path === path) Object.assign(result as object, { isHealthy: false, errors: ['page 7 is gone'] })
    return result
  }
  await t.rejects(writer.recovery.rollback(), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /not sound after the rollback to \S+: page 7 is gone/ })
  const [rollback] = writer.recovery.listRestores()
  t.match(rollback, { kind: 'rollback', status: 'FAILED' })
  t.same(contentOf(String(rollback!.preRestoreBackup)), content)
})

t.test('an engine that dies after its commit has rolled back all the same', async t => {
  const { path, context, writer, log, before } = await recoverable(t, {}, { rows: 2000 })
  await writer.restoreFromSnapshot('a')
  context.runEngine = async (task, input, options) => {
    const result = await runEngine(task, input, options)
    if (task === 'apply-image') throw Object.assign(new Error('killed'), { code: 'FST_SNAPSHOT_ENGINE_FAILED' })
    return result
  }
  t.match(await writer.recovery.rollback(), { integrity: { isHealthy: true }, lockedMs: 0 })
  t.same(contentOf(path), before)
  t.ok(log.some(({ message }) => /has its new content, though the engine that applied it has died/.test(message)))
})

t.test('where it cannot be told whether it was applied, the error says so, and where the content from before is', async t => {
  const { context, writer, saved } = await recoverable(t)
  await writer.restoreFromSnapshot('a')
  context.runEngine = async (task, input, options) => {
    if (task === 'judge-content') return 'unknown' as never
    const result = await runEngine(task, input, options)
    if (task === 'apply-image') throw new Error('out of memory')
    return result
  }
  const error = await writer.recovery.rollback().catch((error: Error) => error) as Error
  t.match(error, { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /out of memory; it cannot be told whether the new content is in the database, that from before is in \S+pre_rollback_\S+$/ })
  t.same(contentOf(String(/is in (\S+)$/.exec(error.message)?.[1])), saved)
})

t.test('where it could not be checked, the error says what the database has', async t => {
  const { path, context, writer, before } = await recoverable(t)
  await writer.restoreFromSnapshot('a')
  writeFileSync(path, 'gone')
  context.runEngine = async (task, input, options) => {
    if (task === 'check-integrity' && (input as { target: { path: string } }).target.path === path) throw new Error('out of memory')
    return await runEngine(task, input, options)
  }
  await t.rejects(writer.recovery.rollback(), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /out of memory; the new content is in the database$/ })
  t.same(contentOf(path), before)
})

t.test('it is refused where there is no room for it', { skip: noSmallDisk }, async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeLargeDatabase(path, 3_000_000)
  const recoveryDir = mountSmallDisk(t, 5)
  const { writer } = openWriter(t, path, { recoveryDir })
  await writer.createSnapshot('a')
  await writer.restoreFromSnapshot('a')
  const content = contentOf(path)
  await t.rejects(writer.recovery.rollback(), { code: 'FST_SNAPSHOT_NO_ROOM', message: /the copy of what is there now/ })
  t.same(contentOf(path), content)
})

t.test('a database behind a link stays behind it', async t => {
  const folder = testFolder(t, { real: {} })
  const path = join(folder, 'app.db')
  makeDatabase(join(folder, 'real', 'data.db')).close()
  symlinkSync(join('real', 'data.db'), path)
  const { writer } = openWriter(t, path)
  await writer.createSnapshot('a')
  change(path, 'DELETE FROM items')
  const before = contentOf(path)
  await writer.restoreFromSnapshot('a')
  writeFileSync(path, 'gone')
  await writer.recovery.rollback()
  t.same(contentOf(join(folder, 'real', 'data.db')), before)
})
