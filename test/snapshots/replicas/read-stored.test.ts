import Database from 'better-sqlite3'
import { mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { recordReplica } from '../../../src/catalog/replicas.ts'
import { lockForRemoval } from '../../../src/snapshots/replicas/lock-storage.ts'
import { LockFile } from '../../../src/lock-file.ts'
import { OperationQueue } from '../../../src/snapshots/operation-queue.ts'
import { flipBit } from '../../helpers/damage.ts'
import { packsIn } from '../../helpers/sharing.ts'
import { keysIn } from '../../helpers/deployments.ts'
import { openContext } from '../../helpers/open-context.ts'
import { setUpTwo, waitForStates, type TwoStorages } from '../../helpers/two-storages.ts'
import { waitUntil } from '../../helpers/wait-until.ts'
import { writerFor } from '../../helpers/round-trip.ts'

/** A snapshot `a` in two storages, and a bucket that gives no pack out until it is let. */
async function setUp (t: Test): Promise<TwoStorages & { isAsked: Promise<void>, letRead: () => void }> {
  const two = setUpTwo(t)
  await two.writer.createSnapshot('a')
  await two.writer.completeReplicas()
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  two.remote.beforeGet = async key => {
    if (!key.includes('/packs/')) return
    asked.resolve()
    await gate.promise
  }
  return { ...two, isAsked: asked.promise, letRead: gate.resolve }
}

for (const [what, read, expected] of [
  ['a verification', async ({ writer }: TwoStorages) => await writer.verifySnapshot('a'), { isHealthy: true, replicas: [{ storage: 'local' }, { storage: 'remote' }] }],
  ['the verification whose turn it is', async ({ writer }: TwoStorages) => await writer.verifyNext(), { snapshot: 'a', isHealthy: true }],
  ['a drill', async ({ writer }: TwoStorages) => await writer.drills.runDrill(), { isSuccess: true, storage: 'remote' }]
] as const) {
  t.test(`no restore, creation or deletion waits for ${what} that a slow bucket holds up`, async t => {
    const all = await setUp(t)
    const { writer, application, isAsked, letRead } = all
    const reading = read(all)
    await isAsked
    application.exec("UPDATE items SET text = 'changed' WHERE id = 1")
    await writer.createSnapshot('b')
    t.match(await writer.restoreFromSnapshot('a'), { snapshot: { name: 'a' } })
    t.not(application.prepare('SELECT text FROM items WHERE id = 1').pluck().get(), 'changed')
    await writer.deleteSnapshot('b')
    letRead()
    t.match(await reading, expected)
  })
}

t.test('what is deleted while it is read is removed from that storage afterwards', async t => {
  const { writer, local, remote, isAsked, letRead } = await setUp(t)
  const verification = writer.verifySnapshot('a')
  await isAsked
  const stored = await keysIn(remote, '/packs/')
  await writer.deleteSnapshot('a')
  await writer.createSnapshot('b', { full: true })
  await t.rejects(writer.getSnapshot('a'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
  t.same((await keysIn(remote, '/packs/')).filter(key => stored.includes(key)), stored, 'it is still there')
  letRead()
  await t.rejects(verification, { code: 'FST_SNAPSHOT_NOT_FOUND' })
  await waitForStates(writer, 'b', { local: 'STORED', remote: 'STORED' })
  await waitUntil('it is gone', async () => (await keysIn(remote, '/packs/')).length === 1)
  t.equal((await keysIn(local, '/packs/')).length, 1)
})

t.test('what is beyond the limits of a storage stays as long as that is read', async t => {
  const { path, local, remote, writer: unlimited } = setUpTwo(t)
  await unlimited.close()
  const writer = writerFor(t, path, { storage: [{ storage: local, keepLast: 1 }, remote] })
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  const reading = await LockFile.take(join(path, '..', 'backups', '.locks', 'app.local.reading.lock'), 0, undefined, 'shared')
  await writer.createSnapshot('b', { full: true })
  await writer.completeReplicas()
  t.match(await writer.getSnapshot('a'), { replicas: [{ storage: 'local' }, { storage: 'remote' }] })
  reading.release()
  await writer.completeReplicas()
  t.match((await writer.getSnapshot('a')).replicas, [{ storage: 'remote' }])
})

t.test('what was removed from a storage before it could be read is not damaged', async t => {
  const { context, writer } = openContext(t)
  const { id } = await writer.createSnapshot('a')
  await writer.rebuildCatalog() // so that it is not listed right now
  await writer.completeReplicas()
  const removal = lockForRemoval(context, context.primary)
  const taken = t.capture(LockFile, 'take', LockFile.take)
  const outcomes = Promise.allSettled([writer.drills.runDrill(), writer.verifySnapshot('a')])
  let waiting = 0
  await waitUntil('both wait to read', () => (waiting += taken().filter(({ args: [file] }) => file.endsWith('.reading.lock')).length) === 2)
  recordReplica(context.catalog, id, 'local', null)
  removal?.release()
  t.match(await outcomes, [{ reason: { code: 'FST_SNAPSHOT_NOT_RESTORABLE', message: /storage local does not have it any more/ } }, { reason: { code: 'FST_SNAPSHOT_DAMAGED', message: /is in no storage/ } }])
})

t.test('a snapshot that shares a pack which turns out to be damaged meanwhile counts as damaged, too', async t => {
  const { writer, path, remote, isAsked, letRead } = await setUp(t)
  const verification = writer.verifySnapshot('a')
  await isAsked
  const database = new Database(path)
  database.exec("UPDATE items SET text = 'changed' WHERE id = 1")
  database.close()
  await writer.createSnapshot('b')
  t.not((await writer.getSnapshot('b')).parentId, null)
  await waitForStates(writer, 'b', { local: 'STORED', remote: 'STORED' })
  for (const key of await keysIn(remote, '/packs/')) if (key.includes((await writer.getSnapshot('a')).id)) await remote.delete(key)
  letRead()
  t.match(await verification, { isHealthy: false, replicas: [{ storage: 'local', isHealthy: true }, { storage: 'remote', isHealthy: false }] })
  await writer.completeReplicas()
  t.match(await writer.verifySnapshot('b'), { isHealthy: true }, 'it was repaired')
})

t.test('a pin that is not in a storage yet is not forgotten there when a verification of that ends', async t => {
  const { path, local, writer, remote, isAsked, letRead } = await setUp(t)
  const verification = writer.verifySnapshot('a')
  await isAsked
  remote.refused = /./
  await writer.updateSnapshot('a', { pinned: true })
  letRead()
  t.match(await verification, { isHealthy: true })
  t.match(await writer.getSnapshot('a'), { replicas: [{ state: 'STORED' }, { state: 'PENDING' }] })
  remote.refused = /no key/
  await writer.completeReplicas()
  const blank = writerFor(t, join(path, '..', 'blank', 'app.db'), { snapshotDir: join(path, '..', 'blank'), databaseName: 'app', storage: remote })
  t.match(await blank.getSnapshot('a'), { pinned: true })
  t.equal(local.name, 'local')
})

t.test('damage that is found while a verification ends is not forgotten', async t => {
  const { context, writer } = openContext(t)
  const { id } = await writer.createSnapshot('a')
  const runOperation = context.queue.run.bind(context.queue)
  context.queue.run = async operation => {
    recordReplica(context.catalog, id, 'local', 'DAMAGED')
    return await runOperation(operation)
  }
  t.match(await writer.verifySnapshot('a'), { isHealthy: true })
  t.match(await writer.getSnapshot('a'), { replicas: [{ state: 'DAMAGED' }] })
})

t.test('what a reading found out is not lost while another process is at work', async t => {
  const { path, context, writer } = openContext(t)
  const backups = join(path, '..', 'backups')
  Object.assign(context, { queue: new OperationQueue({ lockFile: join(backups, '.locks', 'app.lock'), engineLockFile: context.engineLockFile, timeoutMs: 20, limit: 3 }) })
  await writer.createSnapshot('sound')
  const { id } = await writer.createSnapshot('a', { full: true })
  flipBit(packsIn(backups).find(pack => pack.includes(id))!, 0.3)
  const otherProcess = await LockFile.take(join(backups, '.locks', 'app.lock'), 0)
  t.match(await writer.verifySnapshot('a'), { isHealthy: false })
  t.match(await writer.drills.runDrill({ snapshot: 'a' }), { isSuccess: false })
  t.match(await writer.getSnapshot('a'), { replicas: [{ state: 'DAMAGED' }] })
  t.equal(writer.drills.listDrills().length, 1)
  const verification = writer.verifyNext()
  t.equal(await Promise.race([verification, new Promise(resolve => { setTimeout(resolve, 1500, 'waits') })]), 'waits')
  otherProcess.release()
  t.match(await verification, { snapshot: 'sound', isHealthy: true })
})

t.test('one whose reading could not begin has its turn again', async t => {
  const { context, writer } = openContext(t)
  await writer.createSnapshot('a')
  await writer.createSnapshot('b')
  const take = LockFile.take.bind(LockFile)
  LockFile.take = async (path, timeoutMs, ...more) => await take(path, path.endsWith('.reading.lock') ? 20 : timeoutMs, ...more)
  t.teardown(() => { LockFile.take = take })
  const removal = lockForRemoval(context, context.primary)
  await t.rejects(writer.verifyNext(), { code: 'FST_SNAPSHOT_BUSY' })
  removal?.release()
  t.match(await writer.verifyNext(), { snapshot: 'a' })
})

t.test('a lock that cannot be opened keeps nothing from the storage once it can', async t => {
  const { path, writer } = openContext(t)
  await writer.createSnapshot('a')
  const lock = join(path, '..', 'backups', '.locks', 'app.local.reading.lock')
  rmSync(lock, { force: true })
  mkdirSync(lock)
  await writer.deleteSnapshot('a')
  rmdirSync(lock)
  await writer.createSnapshot('b')
  await writer.completeReplicas()
  t.equal(packsIn(join(path, '..', 'backups')).length, 1)
})
