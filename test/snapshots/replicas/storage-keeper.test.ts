import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { LocalStorage } from '../../../src/index.ts'
import { LockFile } from '../../../src/lock-file.ts'
import { writerFor } from '../../helpers/round-trip.ts'
import { loseTable } from '../../helpers/lose-table.ts'
import { packsIn } from '../../helpers/sharing.ts'
import { setUpOneOfTwo, setUpTwo, statesOf, waitForStates } from '../../helpers/two-storages.ts'
import { waitUntil } from '../../helpers/wait-until.ts'

/** Holds a storage as another process does that makes copies there. */
function hold (backups: string, storage: string): LockFile {
  return LockFile.takeBlocking(join(backups, '.locks', `app.${storage}.replica.lock`), 0) as LockFile
}

t.test('while another process makes copies in a storage, this one waits, and then goes on', async t => {
  const { writer, backups } = setUpTwo(t)
  const other = hold(backups, 'remote')
  await writer.createSnapshot('a')
  let isComplete = false
  const completed = writer.completeReplicas().then(() => { isComplete = true })
  await sleep(1200)
  t.equal(isComplete, false)
  t.same(await statesOf(writer, 'a'), { local: 'STORED', remote: 'PENDING' })
  other.release()
  await completed
  t.same(await statesOf(writer, 'a'), { local: 'STORED', remote: 'STORED' })
})

t.test('in the background, too', async t => {
  const { writer, backups } = setUpTwo(t)
  const other = hold(backups, 'remote')
  await writer.createSnapshot('a')
  await sleep(100)
  other.release()
  await waitForStates(writer, 'a', { local: 'STORED', remote: 'STORED' })
})

t.test('what a deletion cannot remove as another process works there is removed later', async t => {
  const { writer, backups, remote } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  const other = hold(backups, 'local')
  await writer.deleteSnapshot('a')
  t.same((await writer.listSnapshots()).snapshots, [])
  t.equal(packsIn(backups).length, 1)
  other.release()
  await writer.settle()
  await writer.completeReplicas()
  t.same([packsIn(backups), packsIn(remote.root)], [[], []])
})

t.test('an application that closes does not wait for a storage that does not answer', async t => {
  const { writer, remote, path, local } = setUpTwo(t)
  const [begun, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  remote.beforePut = async () => {
    begun.resolve()
    await answer.promise
  }
  await writer.createSnapshot('a')
  await begun.promise
  await writer.drain()
  await writer.close()
  answer.resolve()
  remote.beforePut = () => {}
  const next = writerFor(t, path, { storage: [local, remote] })
  t.same(await statesOf(next, 'a'), { local: 'STORED', remote: 'PENDING' })
  await next.completeReplicas()
  t.same(await statesOf(next, 'a'), { local: 'STORED', remote: 'STORED' })
})

t.test('what is in no storage that is configured is told of, and can be changed and deleted', async t => {
  const { writer, path } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.close()
  const elsewhere = writerFor(t, path, { storage: new LocalStorage(join(t.testdirName, 'elsewhere'), 'elsewhere') })
  for (const read of [async () => await elsewhere.verifySnapshot('a'), async () => await elsewhere.downloadSnapshot('a')]) {
    await t.rejects(async () => { await read() }, { code: 'FST_SNAPSHOT_DAMAGED', message: /in no storage that is configured/ })
  }
  t.match(await elsewhere.updateSnapshot('a', { labels: { was: 'here' } }), { labels: { was: 'here' } })
  await elsewhere.deleteSnapshot('a')
  t.same((await elsewhere.listSnapshots()).snapshots, [])
})

t.test('a storage with limits that is added later is not filled', async t => {
  const { path, local, remote } = await setUpOneOfTwo(t, 'remote')
  const writer = writerFor(t, path, { storage: [{ storage: remote, required: true }, { storage: local, keepLast: 1 }] })
  await writer.completeReplicas()
  t.same(await statesOf(writer, 'a'), { remote: 'STORED' })
})

t.test('a storage is not tried out while another process works there, and is after that', async t => {
  const { writer, backups, remote } = setUpTwo(t)
  const other = hold(backups, 'remote')
  writer.watchStorages()
  await sleep(300)
  t.same(remote.puts, [])
  other.release()
  await waitUntil('it was tried out', () => remote.puts.length === 1)
})

t.test('what is not known may be in a storage that cannot be asked, and the error says so', async t => {
  const { writer, remote } = setUpTwo(t)
  await writer.rebuildCatalog()
  remote.isDown = true
  for (const reference of ['a', 'latest']) {
    await t.rejects(writer.getSnapshot(reference), { code: 'FST_SNAPSHOT_NOT_FOUND', message: /of database "app".*; storage remote could not be asked: .*down/ })
  }
})

t.test('a trial that the end of the application breaks off says nothing of the storage', async t => {
  const { writer, remote, path, local } = setUpTwo(t)
  const [begun, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  remote.beforePut = async () => {
    begun.resolve()
    await answer.promise
  }
  writer.watchStorages()
  await begun.promise
  const drained = writer.drain()
  answer.resolve()
  await drained
  await writer.close()
  const next = writerFor(t, path, { storage: [local, remote] })
  t.match(next.health().storages, [{ storage: 'local' }, { storage: 'remote', isUp: null, error: null }])
})

t.test('a catalog that is damaged while a storage is looked at in the background is logged, and ends nothing', async t => {
  const warnings: string[] = []
  const { writer, backups } = setUpTwo(t, { logger: { info () {}, error () {}, warn: (_, message) => { warnings.push(message) } } })
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  loseTable(backups, 'storages')
  writer.watchStorages()
  const wanted = /^Storage (local|remote) is not as it should be, which is tried again later: .*no such table: storages/
  await waitUntil('it is told for both', () => warnings.filter(line => wanted.test(line)).length === 2)
  t.match(writer.health(), { status: 'degraded', reasons: [/no such table: storages/] })
})
