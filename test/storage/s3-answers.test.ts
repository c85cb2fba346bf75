import t from 'tap'
import type { Fault } from '../helpers/fault-proxy.ts'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { makeFaultyStorage } from '../helpers/s3-storages.ts'
import { keysOf } from './conformance/helpers.ts'

const emulator = await startS3Emulator(t)
const page: Fault = { status: 200, body: '<html><body>Please sign in</body></html>', headers: { 'content-type': 'text/html' } }

t.test('a listing that is not complete does not look like one that is', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator)
  await direct.put('app/object', Buffer.from('x'))
  const unknown = { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /bucket "bucket" gave a listing that does not say how it goes on/ }
  const listings: Fault[] = [
    page,
    { status: 200, body: '<ListBucketResult><Name>bucket</Name></ListBucketResult>' },
    { status: 200, body: '<ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated></ListBucketResult>' }
  ]
  for (const listing of listings) {
    proxy.decide = () => listing
    await t.rejects(keysOf(storage, ''), unknown)
  }
  proxy.decide = () => ({ status: 200, body: '<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>' })
  await t.rejects(storage.removePartialWrites(''), unknown)
})

t.test('what answers a put without an ETag has stored nothing', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator)
  proxy.decide = () => page
  await t.rejects(storage.put('app/object', Buffer.from('x')), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /what answered for bucket "bucket" is no S3 server: .*app\/object is stored.*check the endpoint/ })
})

t.test('nor has what answers a part so', async t => {
  const { proxy, storage, openUploads } = await makeFaultyStorage(t, emulator, { stallTimeout: 10_000, requestTimeout: 20_000 })
  proxy.decide = ({ url }) => url.includes('partNumber=') ? { headers: { etag: null } } : undefined
  await t.rejects(storage.put('app/object', Buffer.alloc(9 * 2 ** 20)), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /bucket "bucket" at .* missing ETag/ })
  t.same(await openUploads(), [])
})

t.test('a deletion is done where the object is missing, whatever the server says to it', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator)
  proxy.decide = () => ({ status: 404, code: 'NoSuchKey' })
  await storage.delete('app/object')
  await storage.deleteAll(['app/object'])
  proxy.decide = () => ({ status: 404, code: 'NoSuchBucket' })
  await t.rejects(storage.delete('app/object'), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /there is no bucket/ })
})
