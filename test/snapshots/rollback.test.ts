import Database from 'better-sqlite3'
import { copyFileSync, existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ApplyImageInput } from '../../src/engine/apply/apply-image.ts'
import { runEngine } from '../../src/engine/engine.ts'
import { SnapshotWriter } from '../../src/index.ts'
import { contentOf, integrityOf } from '../helpers/databases.ts'
import { query } from '../helpers/bank.ts'
import { openContext } from '../helpers/open-context.ts'

type RunEngine = typeof runEngine

/** A writer whose engines can be made to fail as on a failing disk, with a snapshot `before` of a changed database. */
async function failingWriter (t: Test, run: RunEngine): Promise<{ writer: SnapshotWriter, path: string, changed: Record<string, string> }> {
  const { path, context, writer } = openContext(t)
  await writer.createSnapshot('before')
  new Database(path).exec('DELETE FROM items').close()
  context.runEngine = run
  return { writer, path, changed: contentOf(path) }
}

/** What an engine has done that dies under the write lock, before the first page: the pre-restore backup and the note of it. */
function dieUnderTheLock (input: unknown): void {
  const { intentFile, safetyCopy, target } = input as ApplyImageInput
  const backup = String(safetyCopy?.path)
  copyFileSync(target.path, backup)
  writeFileSync(intentFile, JSON.stringify({ backup }))
}

/** Says of the first so many checks of the live database that it is damaged. */
function failChecks (count: number): RunEngine {
  return async (task, input, options) => {
    const result = await runEngine(task, input, options)
    const { target } = input as { target?: { path: string } }
    if (task === 'check-integrity' && target?.path.endsWith('app.db') === true && count-- > 0) Object.assign(result as object, { isHealthy: false, errors: ['page 7 is gone'] })
    return result
  }
}

const outcomes = (path: string): unknown => query(join(path, '..', 'backups', 'catalog.db'), "SELECT group_concat(status || ' ' || (error ->> 'code')) FROM restores")

t.test('a database that is not sound after a restore gets its old content back by itself', async t => {
  const { writer, path, changed } = await failingWriter(t, failChecks(1))
  await t.rejects(writer.restoreFromSnapshot('before'), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /page 7 is gone.*the database has its old content again, from .*pre_restore_/ })
  t.same(contentOf(path), changed)
  t.equal(integrityOf(path), 'ok')
  t.equal(outcomes(path), 'ROLLED_BACK FST_SNAPSHOT_RESTORE_FAILED')
  const kept = readdirSync(join(path, '..', 'recovery'))
  const [rollback] = kept.filter(name => name.startsWith('pre_rollback_'))
  t.equal(query(join(path, '..', 'recovery', String(rollback)), 'SELECT count(*) FROM items'), 100, 'what was rolled back is kept as well')
  t.same(contentOf(join(path, '..', 'recovery', 'pre_restore_latest.db')), changed)
})

t.test('where the rollback fails too, the error says where the old content is and what to do', async t => {
  const { writer, path, changed } = await failingWriter(t, failChecks(3))
  const error = await writer.restoreFromSnapshot('before').catch(error => error)
  t.match(error, { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /the old content was not brought back.*It is in (\S+pre_restore_\S+\.db): to have it back, stop the application/ })
  const [, backup] = /It is in (\S+\.db)/.exec(error.message) ?? []
  t.same(contentOf(String(backup)), changed)
  t.equal(outcomes(path), 'FAILED FST_SNAPSHOT_RESTORE_FAILED')
})

t.test('an engine that dies before its transaction is committed has changed nothing, and nothing is rolled back', async t => {
  const { writer, path, changed } = await failingWriter(t, async (task, input, options) => {
    if (task !== 'apply-image') return await runEngine(task, input, options)
    dieUnderTheLock(input)
    // Before anybody looks the application goes on, even with a change of its schema, such as a restore is.
    new Database(path).exec('CREATE TABLE orders (id); INSERT INTO orders VALUES (1)').close()
    throw new Error('out of memory')
  })
  await t.rejects(writer.restoreFromSnapshot('before'), { message: /^Restore failed: out of memory/ })
  t.equal(query(path, 'SELECT count(*) FROM orders'), 1, 'what was acknowledged since is still there')
  new Database(path).exec('DROP TABLE orders').close()
  t.same(contentOf(path), changed)
  t.equal(outcomes(path), 'FAILED FST_SNAPSHOT_RESTORE_FAILED')
})

t.test('where it cannot be told any more whether anything was applied, nothing is rolled back, and the error says where the old content is', async t => {
  const { writer, path, changed } = await failingWriter(t, async (task, input, options) => {
    if (task === 'judge-content') return 'unknown' as never
    if (task !== 'apply-image') return await runEngine(task, input, options)
    dieUnderTheLock(input)
    throw new Error('out of memory')
  })
  await t.rejects(writer.restoreFromSnapshot('before'), { message: /out of memory; and the old content was not brought back: it cannot be told any more.*It is in \S+pre_restore_/ })
  t.same(contentOf(path), changed)
})

t.test('a check that dies says nothing against a restored database', async t => {
  const { writer, path } = await failingWriter(t, async (task, input, options) => {
    if (task === 'check-integrity') throw new Error('killed')
    return await runEngine(task, input, options)
  })
  t.match(await writer.restoreFromSnapshot('before'), { status: 'SUCCESS' })
  t.equal(query(path, 'SELECT count(*) FROM items'), 100)
})

t.test('a restored database that was moved away since is not put back', async t => {
  const { writer, path } = await failingWriter(t, async (task, input, options) => {
    if (task === 'check-integrity') renameSync(path, `${path}.moved`)
    return await runEngine(task, input, options)
  })
  t.match(await writer.restoreFromSnapshot('before'), { status: 'SUCCESS' })
  t.notOk(existsSync(path))
  t.equal(query(`${path}.moved`, 'SELECT count(*) FROM items'), 100)
})

t.test('a restored database that its application holds locked is restored all the same', async t => {
  const { writer, path } = await failingWriter(t, async (task, input, options) => {
    if (task === 'check-integrity') throw Object.assign(new Error('locked'), { code: 'FST_SNAPSHOT_DATABASE_LOCKED', statusCode: 503 })
    return await runEngine(task, input, options)
  })
  t.match(await writer.restoreFromSnapshot('before'), { status: 'SUCCESS' })
  t.equal(query(path, 'SELECT count(*) FROM items'), 100)
})

t.test('an engine that dies after its transaction was committed is rolled back', async t => {
  let applied = 0
  const { writer, path, changed } = await failingWriter(t, async (task, input, options) => {
    const result = await runEngine(task, input, options)
    if (task === 'apply-image' && ++applied === 1) throw new Error('out of memory')
    return result
  })
  await t.rejects(writer.restoreFromSnapshot('before'), { message: /out of memory; the database has its old content again/ })
  t.same(contentOf(path), changed)
  t.equal(outcomes(path), 'ROLLED_BACK FST_SNAPSHOT_RESTORE_FAILED')
})
