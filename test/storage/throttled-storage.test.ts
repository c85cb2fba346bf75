import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { LocalStorage } from '../../src/storage/local-storage.ts'
import type { SnapshotStorage } from '../../src/storage/snapshot-storage.ts'
import { ThrottledStorage } from '../../src/storage/throttled-storage.ts'
import { realClock } from '../../src/storage/token-bucket.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'
import { TestClock } from '../helpers/test-clock.ts'
import { chunks, read } from './conformance/helpers.ts'
import { storageConformance } from './storage-conformance.ts'

storageConformance(t, 'throttled local files', t => new ThrottledStorage(new LocalStorage(join(testFolder(t), 'made', 'when-needed')), 1000, new TestClock()))

function makeStorage (t: Test): { storage: ThrottledStorage, inner: LocalStorage, clock: TestClock } {
  const [inner, clock] = [new LocalStorage(testFolder(t)), new TestClock()]
  return { inner, clock, storage: new ThrottledStorage(inner, 1000, clock) }
}

t.test('bytes to and from the storage are counted together, small objects as well', async t => {
  const { storage, clock } = makeStorage(t)
  await storage.put('app/manifest', Buffer.alloc(1100))
  t.equal(clock.now(), 1000)
  await storage.put('app/pack', chunks(Buffer.alloc(200_000), Buffer.alloc(0), Buffer.alloc(300_000)))
  t.ok(Math.abs(clock.now() - 501_000) < 1e-6)
  t.equal((await read(storage, 'app/pack')).length, 500_000)
  t.ok(Math.abs(clock.now() - 1_001_000) < 1e-6)
})

t.test('it has the name of the storage behind it, and neither takes nor shows files', t => {
  const { storage } = makeStorage(t)
  t.equal(storage.name, 'local')
  t.same([(storage as SnapshotStorage).putFile, (storage as SnapshotStorage).fileOf], [undefined, undefined])
  t.end()
})

t.test('what waits ends at once when it is aborted, or the storage behind it fails', async t => {
  const inner = new LocalStorage(testFolder(t))
  await inner.put('app/object', Buffer.alloc(1_000_000))
  const storage = new ThrottledStorage(inner, 1, realClock)
  const asleep = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

  for (const body of [Buffer.alloc(1_000_000), chunks(Buffer.alloc(1_000_000))]) {
    const abort = new AbortController()
    const putting = storage.put('app/new', body, { signal: abort.signal })
    await asleep()
    abort.abort(new Error('changed my mind'))
    await t.rejects(putting, { message: 'changed my mind' })
  }

  const abort = new AbortController()
  const reading = read(storage, 'app/object', { signal: abort.signal })
  await asleep()
  abort.abort()
  await t.rejects(reading, { name: 'AbortError' })

  const given = await storage.get('app/object')
  given.resume()
  await asleep()
  given.destroy()
  await once(given, 'close')

  inner.put = async (_key, body) => {
    void (body as AsyncGenerator<Uint8Array>).next().catch(() => {})
    await asleep()
    throw new Error('unreachable')
  }
  await t.rejects(storage.put('app/new', chunks(Buffer.alloc(1_000_000))), { message: 'unreachable' })
  t.ok(process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length <= 1, 'no timer is left but that of the test')
})

t.test('a stream that fails fails as it did', async t => {
  const { storage, inner } = makeStorage(t)
  inner.get = async () => Readable.from(chunks('begun', new Error('connection lost')))
  await t.rejects(read(storage, 'app/object'), { message: 'connection lost' })
})

t.test('a writer with a limit stores and restores through it', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path, { rows: 1000 })
  const writer = writerFor(t, path, { maxBytesPerSecond: 1_000_000_000 })
  const { id } = await writer.createSnapshot('first')
  t.ok(readFileSync(join(t.testdirName, 'backups', 'app', 'packs', id, 'data.zst')).length > 0)
  const content = contentOf(path)
  database.exec('DELETE FROM items')
  database.close()
  await writer.restoreFromSnapshot('first')
  t.same(contentOf(path), content)
})
