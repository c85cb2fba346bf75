import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { LockFile } from '../../src/lock-file.ts'
import { OperationQueue } from '../../src/snapshots/operation-queue.ts'
import { testFolder } from '../helpers/folder.ts'

function makeQueue (t: Test, timeoutMs = 1000): { queue: OperationQueue, lockFile: string, engineLockFile: string } {
  const folder = testFolder(t, { locks: {} })
  const [lockFile, engineLockFile] = [join(folder, 'locks', 'a.lock'), join(folder, 'locks', 'b.lock')]
  return { queue: new OperationQueue({ lockFile, engineLockFile, timeoutMs, limit: 3 }), lockFile, engineLockFile }
}

t.test('operations run one after the other, in the order of their requests, and a failed one stops none', async t => {
  const { queue } = makeQueue(t)
  const seen: string[] = []
  const operation = (name: string, fails = false) => async (): Promise<string> => {
    seen.push(`${name} begins`)
    await sleep(5)
    seen.push(`${name} ends`)
    if (fails) throw new Error(name)
    return name
  }
  const outcomes = await Promise.allSettled([queue.run(operation('a')), queue.run(operation('b', true)), queue.run(operation('c'))])
  t.same(outcomes.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
  t.same(seen, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

t.test('an operation of another process is waited for, but not for ever', async t => {
  const { queue, lockFile } = makeQueue(t, 50)
  const other = LockFile.takeBlocking(lockFile, 0)
  await t.rejects(queue.run(async () => {}), { code: 'FST_SNAPSHOT_BUSY', statusCode: 409 })
  other?.release()
  await queue.run(async () => {})
})

t.test('an engine that has outlived its host is waited for', async t => {
  const { queue, engineLockFile } = makeQueue(t, 50)
  const orphan = LockFile.takeBlocking(engineLockFile, 0)
  await t.rejects(queue.run(async () => {}), { code: 'FST_SNAPSHOT_BUSY' })
  orphan?.release()
  await queue.run(async () => {})
})

t.test('closing tells what runs, refuses what waits, and waits for both', async t => {
  const { queue } = makeQueue(t)
  const begun = Promise.withResolvers<void>()
  let ended = false
  const running = queue.run(async signal => {
    begun.resolve()
    await new Promise(resolve => { signal.addEventListener('abort', resolve) })
    await sleep(20)
    ended = true
  })
  const waiting = queue.run(async () => { t.fail('it must not begin') })
  const rejected = t.rejects(waiting, { code: 'FST_SNAPSHOT_CANCELLED', statusCode: 503 })
  await begun.promise
  await queue.close()
  t.ok(ended)
  await running
  await rejected
  await t.rejects(queue.run(async () => {}), { code: 'FST_SNAPSHOT_CANCELLED' })
  await t.rejects(queue.runBeside(async () => {}), { code: 'FST_SNAPSHOT_CANCELLED' })
})

t.test('what only reads goes on one at a time, and no operation waits for it', async t => {
  const { queue } = makeQueue(t)
  const [gate, seen] = [Promise.withResolvers<void>(), [] as string[]]
  const first = queue.runReading(async () => {
    seen.push('first')
    await gate.promise
  })
  const second = queue.runReading(async () => { seen.push('second') })
  await queue.run(async () => { seen.push('operation') })
  t.same(seen, ['first', 'operation'])
  gate.resolve()
  await Promise.all([first, second])
  t.same(seen, ['first', 'operation', 'second'])
})

t.test('closing tells what reads, and refuses what waits to', async t => {
  const { queue } = makeQueue(t)
  const first = queue.runReading(async signal => { await new Promise(resolve => { signal.addEventListener('abort', resolve) }) })
  const second = queue.runReading(async () => { t.fail('it must not begin') })
  const refused = t.rejects(second, { code: 'FST_SNAPSHOT_CANCELLED' })
  await sleep(5)
  await queue.close()
  await Promise.all([first, refused])
})
