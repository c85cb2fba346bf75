import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { errors, LocalStorage, type SnapshotStorage } from '../../src/index.ts'
import { ObservedStorage } from '../../src/storage/observed-storage.ts'
import { readAll } from '../../src/storage/storage-key.ts'
import { testFolder } from '../helpers/folder.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'
import { storageConformance } from './storage-conformance.ts'

storageConformance(t, 'ObservedStorage', t => new ObservedStorage(new LocalStorage(testFolder(t)), () => {}))

/** A storage, and the outcomes that were reported of it. */
function observe (t: Test): { inner: RemoteStorage, storage: SnapshotStorage, reports: unknown[] } {
  const reports: unknown[] = []
  const inner = new RemoteStorage(testFolder(t))
  return { inner, reports, storage: new ObservedStorage(inner, error => { reports.push(error) }) }
}

t.test('each request that succeeds is reported as null', async t => {
  const { storage, reports } = observe(t)
  await storage.put('a', Buffer.from('a'))
  await storage.put('b', (async function * () { yield Buffer.from('b') })())
  await storage.get('a')
  await storage.head('a')
  await storage.delete('a')
  await storage.removePartialWrites('a')
  t.same(reports, Array(5).fill(null), 'but for one that is housekeeping')
  for await (const { key } of storage.list('')) t.equal(key, 'b')
  t.equal(reports.length, 6)
})

t.test('each request that the storage fails is reported with its error', async t => {
  const { inner, storage, reports } = observe(t)
  inner.isDown = true
  const asked = [
    async () => await storage.put('a', Buffer.from('a')),
    async () => await storage.put('a', (async function * () { yield Buffer.from('b') })()),
    async () => await storage.get('a'),
    async () => await storage.head('a'),
    async () => await storage.list('')[Symbol.asyncIterator]().next(),
    async () => await storage.delete('a')
  ]
  for (const ask of asked) await t.rejects(async () => { await ask() }, { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
  t.match(reports, asked.map(() => ({ code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })))
})

t.test('what is said of an object says nothing of the storage', async t => {
  const { storage, reports } = observe(t)
  await t.rejects(storage.get('missing'), { code: 'FST_SNAPSHOT_STORAGE_MISSING' })
  await storage.put('a', Buffer.from('a'))
  await t.rejects(storage.put('a', Buffer.from('a'), { ifAbsent: true }), { code: 'FST_SNAPSHOT_STORAGE_EXISTS' })
  await t.rejects(storage.put('../a', Buffer.from('a')), { code: 'FST_SNAPSHOT_STORAGE_KEY' })
  t.same(reports, [null])
})

t.test('a body that fails says nothing of the storage, even where it comes from another one', async t => {
  const { storage, reports } = observe(t)
  const failure = new errors.StorageUnavailableError('other', 'it is down')
  await t.rejects(storage.put('a', (async function * () { throw failure })()), failure)
  t.same(reports, [])
})

t.test('a listing or a stream that breaks off in the middle is reported', async t => {
  const inner = new RemoteStorage(testFolder(t))
  const reports: unknown[] = []
  const failure = new errors.StorageUnavailableError('remote', 'it broke off')
  const broken: SnapshotStorage = Object.assign(Object.create(inner) as RemoteStorage, {
    list: async function * () {
      yield { key: 'a', bytes: 1, modifiedAt: new Date() }
      throw failure
    },
    get: async (key: string) => {
      const stream = await inner.get(key)
      setImmediate(() => stream.destroy(failure))
      return stream
    }
  })
  const storage = new ObservedStorage(broken, error => { reports.push(error) })
  await t.rejects(async () => { for await (const { key } of storage.list('')) t.equal(key, 'a') }, failure)
  await inner.put('a', Buffer.alloc(10))
  await t.rejects(async () => await readAll(await storage.get('a')), failure)
  t.same(reports, [failure, null, failure])
})

t.test('a failure of the disk is one of the storage, what else ends a stream is not', async t => {
  const { storage, reports, inner } = observe(t)
  await inner.put('a', Buffer.alloc(10))
  const stream = await storage.get('a')
  stream.destroy(new Error('the reader had enough'))
  await t.rejects(async () => await readAll(stream), /had enough/)
  t.same(reports, [null])
})

t.test('files are taken over, shown, and removed together, where the storage can', async t => {
  const root = testFolder(t)
  const reports: unknown[] = []
  const local = Object.assign(new LocalStorage(join(root, 'local')), { deleteAll: async (keys: readonly string[]) => { for (const key of keys) await local.delete(key) } })
  const storage = new ObservedStorage(local, error => { reports.push(error) })
  writeFileSync(join(root, 'file'), 'abc')
  t.same(await storage.putFile?.('a', join(root, 'file')), { bytes: 3 })
  t.equal(storage.fileOf?.('a'), join(root, 'local', 'a'))
  await storage.deleteAll?.(['a'])
  t.equal(await storage.head('a'), null)
  t.same(reports, [null, null, null])
  const remote = new ObservedStorage(new RemoteStorage(root), () => {})
  t.same([remote.putFile, remote.fileOf, remote.deleteAll], [undefined, undefined, undefined])
})
