import { renameSync, rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { RestoreTablesInput } from '../../src/engine/tables/restore-tables.ts'
import { runEngine } from '../../src/engine/engine.ts'
import { EngineFailedError } from '../../src/errors.ts'
import { contentOf } from '../helpers/databases.ts'
import { recoverable } from '../helpers/recoverable.ts'

t.test('where there is no database, there is none to restore tables into', async t => {
  const { path, writer } = await recoverable(t)
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  await t.rejects(writer.restoreTables('a', ['items']), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /no database at .*app\.db to restore tables into; restore the whole snapshot/ })
})

t.test('where its engine dies after the commit, the database has its old content again', async t => {
  const { path, context, writer, before } = await recoverable(t)
  context.runEngine = async (task, input, options) => {
    const result = await runEngine(task, input, options)
    if (task === 'restore-tables') throw new EngineFailedError(task)
    return result
  }
  await t.rejects(writer.restoreTables('a', ['items']), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /has its old content again/ })
  t.same(contentOf(path), before)
  t.match(writer.recovery.listRestores(), [{ kind: 'tables', status: 'ROLLED_BACK' }])
})

for (const [moment, isNoted] of [['it has its lock', false], ['its first change', true]] as const) {
  t.test(`where it dies before ${moment}, nothing was changed and nothing is taken back`, async t => {
    const { path, context, writer, before } = await recoverable(t)
    context.runEngine = async (task, input, options) => {
      if (task !== 'restore-tables') return await runEngine(task, input, options)
      const { intentFile, safetyCopy, tables, mode } = input as RestoreTablesInput
      if (isNoted) {
        renameSync(safetyCopy.partial, safetyCopy.path)
        writeFileSync(intentFile, JSON.stringify({ backup: safetyCopy.path, tables, mode }))
      }
      throw new EngineFailedError(task)
    }
    await t.rejects(writer.restoreTables('a', ['items']), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /ended unexpectedly .*; the live database is unchanged/ })
    t.same(contentOf(path), before)
    t.match(writer.recovery.listRestores(), [{ kind: 'tables', status: 'FAILED' }])
    t.equal(writer.recovery.listPreRestoreBackups().length, Number(isNoted))
  })
}

t.test('while it may be cancelled, it is', async t => {
  const copying = Promise.withResolvers<void>()
  const { path, context, writer, before } = await recoverable(t)
  context.runEngine = async (task, input, options) => {
    if (task === 'copy-database') copying.resolve()
    return await runEngine(task, input, options)
  }
  const restoring = t.rejects(writer.restoreTables('a', ['items']), { code: 'FST_SNAPSHOT_CANCELLED' })
  await copying.promise
  await writer.close()
  await restoring
  t.same(contentOf(path), before)
})
