import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import type { Fault } from '../helpers/fault-proxy.ts'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { makeFaultyStorage } from '../helpers/s3-storages.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import { read } from './conformance/helpers.ts'

const emulator = await startS3Emulator(t)
const partSize = 5 * 2 ** 20
const content = randomBytes(40 * 2 ** 20 + 7)

t.test('a large object is fetched in parts, several at once, and comes whole', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, { partSize, queueSize: 3, stallTimeout: 5000 })
  await direct.put('app/object', content)
  t.ok((await read(storage, 'app/object')).equals(content))
  t.same(proxy.requests.map(({ headers }) => headers.range).slice(0, 2), ['bytes=0-5242879', 'bytes=5242880-10485759'])
  t.equal(proxy.requests.length, 9)
})

t.test('a reader that stops early ends the fetching, and a slow one keeps no more than its parts waiting', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, { partSize, queueSize: 2, stallTimeout: 5000 })
  await direct.put('app/object', content)
  const stream = await storage.get('app/object')
  const [first] = await once(stream, 'data')
  stream.destroy()
  t.ok(content.subarray(0, (first as Buffer).length).equals(first as Buffer))
  await once(stream, 'close')
  const requests = proxy.requests.length
  t.ok(requests <= 5, `${requests} requests`)
  await storage.head('app/object')
  t.equal(proxy.requests.length, requests + 1)
})

t.test('a stream that nobody reads holds no connection, and one that is given up lets go of its', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, { partSize, queueSize: 3, stallTimeout: 100_000 })
  await direct.put('app/object', content)
  const unread = await storage.get('app/object')
  t.equal(proxy.requests.length, 1)
  await waitUntil('no request is open', () => proxy.open === 0)
  for (const fault of ['hang', 'stall'] as const) {
    proxy.decide = () => proxy.open > 1 ? fault : undefined
    const stream = await storage.get('app/object')
    stream.resume()
    await waitUntil('three parts are asked for', () => proxy.open === 3)
    stream.destroy()
    await waitUntil('no request is open', () => proxy.open === 0)
  }
  unread.destroy()
  t.ok(unread.destroyed)
})

t.test('an object that is replaced between two parts fails the stream', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, { partSize, stallTimeout: 5000 })
  await direct.put('app/object', content)
  proxy.decide = ({ number }) => number === 3 ? { headers: { etag: '"of-another"' } } : undefined
  await t.rejects(read(storage, 'app/object'), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /test\/\S+\/app\/object in bucket "bucket" was replaced while it was read/ })
})

t.test('an object that is gone between two parts fails the stream', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, { partSize, stallTimeout: 5000 })
  await direct.put('app/object', content)
  proxy.decide = ({ number }) => number === 3 ? { status: 404, code: 'NoSuchKey' } : undefined
  await t.rejects(read(storage, 'app/object'), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /NoSuchKey/ })
})

for (const fault of ['cut', 'stall'] as const) {
  t.test(`a part that breaks off (${fault}) is fetched again, and not for ever`, async t => {
    const { proxy, storage, direct } = await makeFaultyStorage(t, emulator)
    await direct.put('app/object', Buffer.from('0123456789'))
    proxy.fail(fault)
    t.equal((await read(storage, 'app/object')).toString(), '0123456789')
    proxy.decide = () => fault
    await t.rejects(read(storage, 'app/object'), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', statusCode: 503, message: /reading test\S+app\/object in bucket "bucket" broke off 2 times \(/, cause: { message: String } })
  })
}

t.test('a body that trickles for ever ends with the time of a request', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, { stallTimeout: 100_000, requestTimeout: 100 })
  await direct.put('app/object', Buffer.from('0123456789'))
  proxy.decide = () => 'stall'
  await t.rejects(read(storage, 'app/object'), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', message: /broke off 2 times/ })
})

t.test('an answer with other bytes than were asked for, or with more or fewer than it says, is refused', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator)
  await direct.put('app/object', Buffer.from('0123456789'))
  const answers: Array<[Fault, RegExp]> = [
    [{ headers: { 'content-range': null } }, /gave other bytes of test\S+app\/object than were asked for \(no Content-Range\); .*must support ranges/],
    [{ headers: { 'content-range': 'bytes 5-14/20' } }, /\(bytes 5-14\/20\)/],
    [{ headers: { 'content-range': 'bytes 0-8388608/8388609' } }, /than were asked for/],
    [{ headers: { 'content-range': 'bytes 0-4/5' } }, /broke off 2 times \(more than 5 bytes came\)/],
    [{ headers: { 'content-range': 'bytes 0-10/11' } }, /broke off 2 times \(10 of 11 bytes came\)/]
  ]
  for (const [fault, message] of answers) {
    proxy.decide = () => fault
    await t.rejects(read(storage, 'app/object'), { code: /^FST_SNAPSHOT_STORAGE_(FAILED|UNAVAILABLE)$/, message })
  }
})

t.test('a reading that is aborted while a part is fetched ends at once', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, { stallTimeout: 100_000 })
  await direct.put('app/object', Buffer.from('0123456789'))
  for (const fault of ['hang', 'stall'] as const) {
    const abort = new AbortController()
    proxy.decide = () => {
      setTimeout(() => { abort.abort() }, 50)
      return fault
    }
    await t.rejects(read(storage, 'app/object', { signal: abort.signal }), { name: 'AbortError' })
  }
})
