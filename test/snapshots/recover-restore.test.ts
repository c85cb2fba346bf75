import { rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { runEngine } from '../../src/engine/engine.ts'
import { query } from '../helpers/bank.ts'
import { contentOf } from '../helpers/databases.ts'
import { change, recoverable, type Recoverable } from '../helpers/recoverable.ts'

/** Says of the next so many checks of the live database that it is damaged. */
function failChecks ({ context, path }: Recoverable, count: number): void {
  context.runEngine = async (task, input, options) => {
    const result = await runEngine(task, input, options)
    if (task === 'check-integrity' && (input as { target: { path: string } }).target.path === path && count-- > 0) Object.assign(result as object, { isHealthy: false, errors: ['page 7 is gone'] })
    return result
  }
}

t.test('after a restore that has rolled back by itself, there is nothing to do, and what was committed since stays', async t => {
  const setUp = await recoverable(t)
  const { path, writer, before } = setUp
  failChecks(setUp, 1)
  const error = await writer.restoreFromSnapshot('a').catch((error: unknown) => error)
  t.same(contentOf(path), before)
  change(path, "INSERT INTO items (text) VALUES ('since')")
  t.match(await writer.recovery.recoverFromFailedRestore('a', error), { isRolledBack: false, backup: /pre_restore_/, safetyCopy: null, integrity: { isHealthy: true } })
  t.equal(query(path, "SELECT count(*) FROM items WHERE text = 'since'"), 1)
})

t.test('after a restore that could not roll back, it does that', async t => {
  const setUp = await recoverable(t)
  const { path, writer, log, before, saved } = setUp
  const { context } = setUp
  failChecks(setUp, 1)
  const failing = context.runEngine
  context.runEngine = async (task, input, options) => {
    if (task === 'take-backup') throw new Error('the disk is gone')
    return await failing(task, input, options)
  }
  const error = await writer.restoreFromSnapshot('a').catch((error: Error) => error) as Error
  t.match(error.message, /page 7 is gone; and the old content was not brought back: the disk is gone/)
  t.same(contentOf(path), saved)
  context.runEngine = runEngine
  t.match(await writer.recovery.recoverFromFailedRestore('a', error), { isRolledBack: true, safetyCopy: /pre_rollback_/, integrity: { isHealthy: true } })
  t.same(contentOf(path), before)
  t.ok(log.some(({ level, message }) => level === 'warn' && message === 'Recovery from a failed restore'))
  t.match(writer.recovery.listRestores(), [{ kind: 'rollback', status: 'SUCCESS' }, { kind: 'restore', status: 'FAILED' }])
})

t.test('where it could not be told what was applied, it brings the content from before', async t => {
  const { path, context, writer, before } = await recoverable(t)
  context.runEngine = async (task, input, options) => {
    if (task === 'judge-content') return 'unknown' as never
    const result = await runEngine(task, input, options)
    if (task === 'apply-image') throw new Error('out of memory')
    return result
  }
  const error = await writer.restoreFromSnapshot('a').catch((error: unknown) => error)
  t.match(error, { code: 'FST_SNAPSHOT_RESTORE_FAILED' })
  context.runEngine = runEngine
  t.match(await writer.recovery.recoverFromFailedRestore('a', error), { isRolledBack: true })
  t.same(contentOf(path), before)
})

t.test('after a restore of tables that was a mistake, too', async t => {
  const { path, writer, before } = await recoverable(t)
  const { restoreId, preRestoreBackup } = await writer.restoreTables('a', ['items'])
  t.match(await writer.recovery.recoverFromFailedRestore('a'), { restoreId, isRolledBack: true, backup: preRestoreBackup })
  t.same(contentOf(path), before)
})

t.test('of several restores of a snapshot the last one counts', async t => {
  const { path, writer } = await recoverable(t)
  await writer.restoreFromSnapshot('a')
  change(path, 'DELETE FROM items WHERE id > 10')
  const content = contentOf(path)
  const { restoreId } = await writer.restoreFromSnapshot('a')
  t.match(await writer.recovery.recoverFromFailedRestore('a'), { restoreId, isRolledBack: true })
  t.same(contentOf(path), content)
})

t.test('where there was nothing before that SQLite could read, it does not say that all is well', async t => {
  for (const lose of [(path: string) => { writeFileSync(path, 'gone') }, (path: string) => { for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true }) }]) {
    const { path, writer, saved } = await recoverable(t)
    lose(path)
    t.match(await writer.restoreFromSnapshot('a'), { preRestoreBackup: null })
    await t.rejects(writer.recovery.recoverFromFailedRestore('a'), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /before it there was nothing that SQLite could read/ })
    t.same(contentOf(path), saved)
  }
})

t.test('where the backup is gone, it says which', async t => {
  const { path, writer, saved } = await recoverable(t)
  const { preRestoreBackup } = await writer.restoreFromSnapshot('a')
  rmSync(String(preRestoreBackup))
  await t.rejects(writer.recovery.recoverFromFailedRestore('a'), { code: 'FST_SNAPSHOT_NOT_FOUND', message: new RegExp(String(preRestoreBackup)) })
  t.same(contentOf(path), saved)
})
