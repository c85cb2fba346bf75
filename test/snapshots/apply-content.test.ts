import Database from 'better-sqlite3'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runEngine } from '../../src/engine/engine.ts'
import type { TaskName } from '../../src/engine/messages.ts'
import { DatabaseLockedError, EngineFailedError } from '../../src/errors.ts'
import { contentOf } from '../helpers/databases.ts'
import { change, recoverable, type Recoverable } from '../helpers/recoverable.ts'

/** The engine of a task is killed when it has done all of it, and could not say so. */
function dieAfter ({ context }: Recoverable, killed: TaskName): void {
  context.runEngine = async (task, input, options) => {
    const result = await runEngine(task, input, options)
    if (task === killed) throw new EngineFailedError(task)
    return result
  }
}

t.test('where no database was and the engine dies once one is there, it stays, as there is nothing to go back to', async t => {
  const setUp = await recoverable(t)
  const { path, writer, log, saved } = setUp
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  dieAfter(setUp, 'apply-image')
  t.match(await writer.restoreFromSnapshot('a'), { status: 'SUCCESS', preRestoreBackup: null, lockedMs: 0, replacement: null })
  t.same(contentOf(path), saved)
  t.ok(log.some(({ level, message }) => level === 'warn' && /has its new content, though the engine that applied it has died/.test(message)))
})

t.test('where the engine dies once the file is replaced, it is', async t => {
  const setUp = await recoverable(t)
  const { path, recovery, writer, log, saved } = setUp
  writeFileSync(path, 'gone')
  dieAfter(setUp, 'replace-file')
  const { replacement } = await writer.restoreFromSnapshot('a')
  t.same(contentOf(path), saved)
  t.equal(readFileSync(join(String(replacement!.quarantine), 'app.db'), 'utf8'), 'gone')
  t.ok(log.some(({ level, message }) => level === 'warn' && /The file of the database was replaced, though/.test(message)))
  t.same(readdirSync(recovery).filter(name => name.endsWith('.intent')), [])
})

t.test('a database of another page size with a damaged schema is replaced, and kept as it was', async t => {
  const { path, writer, saved } = await recoverable(t)
  change(path, 'PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL')
  const database = new Database(path)
  database.unsafeMode(true)
  database.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'nonsense' WHERE name = 'items_text'")
  database.close()
  const bytes = readFileSync(path)
  const { replacement, preRestoreBackup } = await writer.restoreFromSnapshot('a')
  t.match(replacement, { heldBy: [] })
  t.same(contentOf(path), saved)
  t.ok(readFileSync(String(preRestoreBackup)).equals(bytes))
  t.ok(readFileSync(join(String(replacement!.quarantine), 'app.db')).equals(bytes))
})

t.test('a file that cannot be copied just now is not replaced', async t => {
  const { path, context, writer } = await recoverable(t)
  const bytes = Buffer.from('no database at all '.repeat(1000))
  writeFileSync(path, bytes)
  const locked = new DatabaseLockedError(path, 1)
  let copies = 0
  context.runEngine = async (task, input, options) => {
    if (task === 'copy-database' && copies++ > 0) throw locked
    return await runEngine(task, input, options)
  }
  await t.rejects(writer.restoreFromSnapshot('a'), { code: 'FST_SNAPSHOT_DATABASE_LOCKED' })
  t.ok(readFileSync(path).equals(bytes))
})

t.test('what it could not do on a database that was not there is told without a word of that being unchanged', async t => {
  const { path, context, writer } = await recoverable(t)
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  context.runEngine = async (task, input, options) => {
    if (task === 'apply-image') throw new Error('the disk is gone')
    return await runEngine(task, input, options)
  }
  await t.rejects(writer.restoreFromSnapshot('a'), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /the disk is gone$/ })
})
