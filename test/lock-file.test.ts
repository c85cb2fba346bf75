import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { LockFile } from '../src/lock-file.ts'
import { testFolder } from './helpers/folder.ts'

const SCRIPT = fileURLToPath(new URL('./processes/take-lock-file.ts', import.meta.url))
const busy = { code: 'FST_SNAPSHOT_BUSY', statusCode: 409 }

/** Another process that tries to take a lock, and what came of it. */
async function another (t: Test, path: string): Promise<{ outcome: string, child: ChildProcess }> {
  const child = fork(SCRIPT, [path])
  t.teardown(() => { child.kill('SIGKILL') })
  const [outcome] = await once(child, 'message')
  return { outcome: String(outcome), child }
}

t.test('a lock is exclusive between processes until it is released', async t => {
  const path = join(testFolder(t), 'lock')
  const lock = await LockFile.take(path, 0)
  t.equal((await another(t, path)).outcome, 'refused')
  lock.release()
  const { outcome, child } = await another(t, path)
  t.equal(outcome, 'taken')
  t.equal(LockFile.takeBlocking(path, 0), null)
  await t.rejects(LockFile.take(path, 0), busy)
  child.send('stop')
  await once(child, 'exit')
  const again = LockFile.takeBlocking(path, 0)
  t.ok(again)
  again?.release()
})

t.test('a lock is exclusive within a process', async t => {
  const path = join(testFolder(t), 'lock')
  const lock = LockFile.takeBlocking(path, 0)
  t.equal(LockFile.takeBlocking(path, 0), null)
  await t.rejects(LockFile.take(path, 0), busy)
  lock?.release()
  const again = await LockFile.take(path, 0)
  again.release()
})

t.test('a shared lock is held by several at once, and by nobody beside an exclusive one', async t => {
  const path = join(testFolder(t), 'lock')
  const shared = await Promise.all([1, 2].map(async () => await LockFile.take(path, 0, undefined, 'shared')))
  t.equal(LockFile.takeBlocking(path, 0), null)
  t.equal((await another(t, path)).outcome, 'refused', 'between processes')
  for (const lock of shared) lock.release()
  const exclusive = LockFile.takeBlocking(path, 0)
  await t.rejects(LockFile.take(path, 0, undefined, 'shared'), busy)
  exclusive?.release()
  ;(await LockFile.take(path, 0, undefined, 'shared')).release()
})

t.test('a lock stays exclusive between processes after its own process has tried to take it again', async t => {
  const path = join(testFolder(t), 'lock')
  const lock = LockFile.takeBlocking(path, 0)
  t.teardown(() => { lock?.release() })
  t.equal(LockFile.takeBlocking(path, 0), null)
  t.equal((await another(t, path)).outcome, 'refused')
})

t.test('a lock whose holder is killed is free as soon as that is dead', async t => {
  const path = join(testFolder(t), 'lock')
  const { outcome, child } = await another(t, path)
  t.equal(outcome, 'taken')
  await t.rejects(LockFile.take(path, 100), busy)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = LockFile.takeBlocking(path, 0)
  t.ok(lock)
  lock?.release()
})

t.test('who waits for a lock gets it when its holder lets go', async t => {
  const path = join(testFolder(t), 'lock')
  const { child } = await another(t, path)
  const waiting = LockFile.take(path, 60_000)
  child.kill('SIGKILL')
  const lock = await waiting
  lock.release()
})

t.test('who waits blocking gets it when its holder lets go', async t => {
  const path = join(testFolder(t), 'lock')
  const { child } = await another(t, path)
  child.send('stop')
  const lock = LockFile.takeBlocking(path, 60_000)
  t.ok(lock)
  lock?.release()
})

t.test('who waits gives up when the signal is aborted', async t => {
  const path = join(testFolder(t), 'lock')
  const lock = await LockFile.take(path, 0)
  const controller = new AbortController()
  const waiting = LockFile.take(path, 60_000, controller.signal)
  controller.abort(new Error('the application closes'))
  await t.rejects(waiting, { message: 'the application closes' })
  lock.release()
  t.ok(LockFile.takeBlocking(path, 0), 'and does not hold it')
})

t.test('of many who wait in one process each gets it, one at a time', async t => {
  const path = join(testFolder(t), 'lock')
  let holders = 0
  await Promise.all(Array.from({ length: 5 }, async () => {
    const lock = await LockFile.take(path, 60_000)
    t.equal(++holders, 1)
    await new Promise(resolve => setImmediate(resolve))
    holders--
    lock.release()
  }))
})

t.test('only the owner can read a lock file, whatever the umask', async t => {
  const before = process.umask(0)
  t.teardown(() => { process.umask(before) })
  const path = join(testFolder(t), 'lock')
  LockFile.takeBlocking(path, 0)?.release()
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('what is no lock file is an error, not a busy one', async t => {
  const folder = testFolder(t)
  const path = join(folder, 'lock')
  writeFileSync(path, 'some other file that somebody needs'.repeat(100))
  t.throws(() => LockFile.takeBlocking(path, 0), { code: 'SQLITE_NOTADB' })
  await t.rejects(LockFile.take(path, 0), { code: 'SQLITE_NOTADB' })
  await t.rejects(LockFile.take(join(folder, 'missing', 'lock'), 0), { code: 'ENOENT' })
})
