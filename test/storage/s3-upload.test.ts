import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BucketAlreadyOwnedByYou, CreateBucketCommand, GetObjectRetentionCommand, GetObjectTaggingCommand, S3Client } from '@aws-sdk/client-s3'
import t from 'tap'
import { S3Storage } from '../../src/index.ts'
import { testFolder } from '../helpers/folder.ts'
import { noRealS3, realS3 } from '../helpers/real-s3.ts'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { makeFaultyStorage } from '../helpers/s3-storages.ts'
import { chunks, keysOf, read, text } from './conformance/helpers.ts'

const emulator = await startS3Emulator(t)
const partSize = 5 * 2 ** 20
const large = randomBytes(22 * 2 ** 20)
const patient = { partSize, stallTimeout: 10_000, requestTimeout: 20_000 }
const isPart = ({ url }: { url: string }): boolean => url.includes('partNumber=')
const isCompletion = ({ method, url }: { method: string, url: string }): boolean => method === 'POST' && url.includes('uploadId=')

t.test('a small object goes in one request, a large one in parts', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator, patient)
  await storage.put('app/small', chunks('small'))
  t.equal(proxy.requests.length, 1)
  await storage.put('app/large', large)
  t.equal(proxy.requests.filter(isPart).length, 5)
  t.ok((await read(storage, 'app/large')).equals(large))
})

t.test('every object is stored as the options say', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator, {
    ...patient,
    serverSideEncryption: 'aws:kms',
    kmsKeyId: 'key-1',
    storageClass: 'STANDARD_IA',
    objectLock: { mode: 'COMPLIANCE', days: 30 },
    tags: { kind: 'snapshot', team: 'a & b' }
  })
  const before = Date.now()
  await storage.put('app/small', Buffer.from('small'))
  await storage.put('app/large', large)
  for (const { headers } of [proxy.requests[0], proxy.requests[1]].filter(request => request !== undefined)) {
    t.match(headers, {
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-tagging': 'kind=snapshot&team=a%20%26%20b'
    })
    const days = (Date.parse(String(headers['x-amz-object-lock-retain-until-date'])) - before) / 86_400_000
    t.equal(Math.round(days), 30)
  }
})

t.test('a client that is given is used', async t => {
  const { endpoint, region, credentials } = emulator
  const client = new S3Client({ endpoint, region: String(region), credentials: credentials as { accessKeyId: string, secretAccessKey: string }, forcePathStyle: true })
  const storage = new S3Storage({ bucket: 'bucket', prefix: 'given', client })
  await storage.put('app/object', Buffer.from('content'))
  t.equal(await text(storage, 'app/object'), 'content')
})

t.test('without a prefix a key is the object\'s name', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator, { ...patient, prefix: '' })
  await storage.put('app/object', Buffer.from('content'))
  t.match(proxy.requests[0], { url: /^\/bucket\/app\/object\?/ })
})

t.test('what others have put below the prefix is not listed unless it is a key', async t => {
  const { endpoint, region, credentials, bucket } = emulator
  const place = { endpoint, region: String(region), bucket, ...(credentials && { credentials }) }
  const storage = new S3Storage({ ...place, prefix: 'shared' })
  await storage.put('app/object', Buffer.from('content'))
  for (const path of ['shared/app/', 'shared/.hidden', 'shared/a%20b', 'shared-not/object']) await fetch(`${endpoint}/${bucket}/${path}`, { method: 'PUT', body: 'x' })
  t.same(await keysOf(storage, ''), ['app/object'])
})

t.test('a listing of more than a page goes on', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, patient)
  const keys = Array.from({ length: 1005 }, (_, number) => `app/${String(number).padStart(5, '0')}`)
  for (let at = 0; at < keys.length; at += 50) await Promise.all(keys.slice(at, at + 50).map(async key => await direct.put(key, Buffer.from('x'))))
  t.same(await keysOf(storage, 'app/'), keys)
  t.equal(proxy.requests.length, 3)
})

t.test('an answer that is lost does not hide that the object was stored', async t => {
  const { proxy, storage, openUploads } = await makeFaultyStorage(t, emulator, patient)
  proxy.fail('lose-answer', { fits: ({ method }) => method === 'PUT' })
  t.same(await storage.put('app/manifest', Buffer.from('mine'), { ifAbsent: true }), { bytes: 4 })
  proxy.fail('lose-answer', { fits: isCompletion })
  t.same(await storage.put('app/pack', large, { ifAbsent: true }), { bytes: large.length })
  t.same(await openUploads(), [])
})

t.test('an error that comes after the answer has begun as a success is one', async t => {
  const { proxy, storage, openUploads } = await makeFaultyStorage(t, emulator, patient)
  proxy.fail({ status: 200, code: 'InternalError' }, { fits: isCompletion })
  t.same(await storage.put('app/pack', large), { bytes: large.length }, 'and is got over')
  proxy.decide = request => isCompletion(request) ? { status: 200, code: 'InternalError' } : undefined
  await t.rejects(storage.put('app/other', large), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', message: /InternalError/ })
  t.equal(await storage.head('app/other'), null)
  t.same(await openUploads(), [])
})

t.test('nor does it take the object of another writer for its own', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, patient)
  await direct.put('app/manifest', Buffer.from('theirs'))
  proxy.fail('reset', { fits: ({ method }) => method === 'PUT' })
  await t.rejects(storage.put('app/manifest', Buffer.from('mine'), { ifAbsent: true }), { code: 'FST_SNAPSHOT_STORAGE_EXISTS', cause: { name: 'PreconditionFailed' } })
  proxy.decide = ({ method }) => method === 'PUT' ? { status: 412, code: 'PreconditionFailed' } : method === 'HEAD' ? { status: 403 } : undefined
  await t.rejects(storage.put('app/manifest', Buffer.from('mine'), { ifAbsent: true }), { code: 'FST_SNAPSHOT_STORAGE_EXISTS' }, 'also where that cannot be looked at')
})

t.test('a conditional write that meets another write or deletion is tried again', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, patient)
  const conflict = { status: 409, code: 'ConditionalRequestConflict' } as const
  proxy.fail(conflict)
  t.same(await storage.put('app/manifest', Buffer.from('mine'), { ifAbsent: true }), { bytes: 4 })
  proxy.decide = ({ method }) => method === 'PUT' ? conflict : undefined
  await t.rejects(storage.put('app/manifest', Buffer.from('mine'), { ifAbsent: true }), { code: 'FST_SNAPSHOT_STORAGE_EXISTS', message: /object app\/manifest already/ }, 'it exists where it is found')
  await direct.delete('app/manifest')
  const busy = { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', message: /another write or deletion of the same object in bucket "bucket"/ }
  await t.rejects(storage.put('app/manifest', Buffer.from('mine'), { ifAbsent: true }), busy)
  proxy.decide = request => isCompletion(request) ? conflict : undefined
  await t.rejects(storage.put('app/pack', large, { ifAbsent: true }), busy, 'not where the parts are put together: S3 wants them sent anew')
  t.equal(await direct.head('app/pack'), null)
})

t.test('a conditional write whose fate is not known is not said to have met another object', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator, patient)
  proxy.decide = ({ method }) => method === 'PUT' ? { status: 412, code: 'PreconditionFailed' } : 'reset'
  await t.rejects(storage.put('app/manifest', Buffer.from('mine'), { ifAbsent: true }), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
})

t.test('a conditional write that waits for its next try ends when it is aborted', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator, { ...patient, maxAttempts: 100 })
  const abort = new AbortController()
  proxy.decide = ({ number }) => {
    if (number === 3) abort.abort(new Error('not any more'))
    return { status: 409, code: 'ConditionalRequestConflict' }
  }
  await t.rejects(storage.put('app/manifest', Buffer.from('mine'), { ifAbsent: true, signal: abort.signal }), { message: 'not any more' })
})

t.test('an object that is locked has a checksum even where the SDK is told to send none', async t => {
  const before = process.env.AWS_REQUEST_CHECKSUM_CALCULATION
  t.teardown(() => { if (before === undefined) delete process.env.AWS_REQUEST_CHECKSUM_CALCULATION; else process.env.AWS_REQUEST_CHECKSUM_CALCULATION = before })
  process.env.AWS_REQUEST_CHECKSUM_CALCULATION = 'WHEN_REQUIRED'
  const { proxy, storage } = await makeFaultyStorage(t, emulator, { ...patient, objectLock: { mode: 'GOVERNANCE', days: 1 } })
  await storage.put('app/small', Buffer.from('small'))
  await storage.put('app/large', large)
  const sent = proxy.requests.filter(({ method }) => method === 'PUT')
  t.equal(sent.length, 6)
  for (const { headers } of sent) t.match(headers, { 'x-amz-checksum-crc32': String })
})

t.test('a body that fails ends the parts that are under way', async t => {
  const { proxy, storage, openUploads } = await makeFaultyStorage(t, emulator, { ...patient, stallTimeout: 100_000, requestTimeout: 200_000 })
  let fail = (): void => {}
  const failing = new Promise<void>(resolve => { fail = resolve })
  proxy.decide = request => {
    if (!isPart(request)) return undefined
    fail()
    return 'hang'
  }
  const body = async function * () {
    yield large
    await failing
    throw new Error('the disk that is read is broken')
  }
  await t.rejects(storage.put('app/object', body()), { message: 'the disk that is read is broken' })
  t.same(await openUploads(), [])
})

t.test('a large object that exists is refused before its body is read', async t => {
  const { storage } = await makeFaultyStorage(t, emulator, patient)
  await storage.put('app/pack', Buffer.from('there'))
  const body = async function * () { yield await Promise.reject(new Error('it was read')) as Uint8Array }
  await t.rejects(storage.put('app/pack', body(), { ifAbsent: true }), { code: 'FST_SNAPSHOT_STORAGE_EXISTS' })
})

t.test('a part that fails ends the whole, at once, and its parts are taken away', async t => {
  const { proxy, storage, openUploads } = await makeFaultyStorage(t, emulator, patient)
  proxy.decide = request => isPart(request) && request.url.includes('partNumber=2') ? { status: 403, code: 'AccessDenied' } : undefined
  const endless = async function * () { for (;;) yield Buffer.alloc(2 ** 20) }
  await t.rejects(storage.put('app/object', endless()), { code: 'FST_SNAPSHOT_STORAGE_DENIED' })
  t.same(await openUploads(), [])
  t.equal(await storage.head('app/object'), null)
})

t.test('where the parts cannot be taken away the failure before is told, and they are removed later', async t => {
  const { proxy, storage, direct, openUploads } = await makeFaultyStorage(t, emulator, patient)
  proxy.decide = request => isPart(request) || request.method === 'DELETE' ? { status: 403, code: 'AccessDenied' } : undefined
  for (const key of ['app/1', 'app/2', 'app/3', 'other/1']) await t.rejects(storage.put(key, large), { code: 'FST_SNAPSHOT_STORAGE_DENIED' })
  t.equal((await openUploads()).length, 2, 'a page of them')
  await t.rejects(storage.removePartialWrites('app/'), { code: 'FST_SNAPSHOT_STORAGE_DENIED' })
  proxy.fail({ status: 404, code: 'NoSuchUpload' }, { fits: ({ method }) => method === 'DELETE' })
  await storage.removePartialWrites('app/')
  t.equal((await openUploads()).includes('other/1'), true, 'those of others are left alone')
  await direct.removePartialWrites('')
  t.same(await openUploads(), [])
})

t.test('an upload that is aborted takes its parts away before it ends', async t => {
  const { proxy, storage, openUploads } = await makeFaultyStorage(t, emulator, patient)
  const abort = new AbortController()
  proxy.decide = request => {
    if (isPart(request)) abort.abort(new Error('not any more'))
    return undefined
  }
  await t.rejects(storage.put('app/object', large, { signal: abort.signal }), { message: 'not any more' })
  t.same(await openUploads(), [])
})

t.test('a server that puts the parts together wrongly is found out, unless another writer has replaced them', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator, patient)
  const headers = { 'content-length': '5' }
  proxy.decide = ({ method }) => method === 'HEAD' ? { headers } : undefined
  const message = new RegExp(`^Storage "s3" failed: bucket "bucket" holds 5 bytes of test/\\S+/app/object, of which ${large.length} were sent$`)
  await t.rejects(storage.put('app/object', large), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message })
  Object.assign(headers, { 'x-amz-meta-write-id': 'of another' })
  t.same(await storage.put('app/object', large), { bytes: large.length })
})

t.test('a file stays where it is, and one that cannot be read is an error', async t => {
  const { storage } = await makeFaultyStorage(t, emulator, patient)
  const file = join(testFolder(t), 'file')
  writeFileSync(file, large)
  t.same(await storage.putFile('app/object', file), { bytes: large.length })
  t.ok((await read(storage, 'app/object')).equals(large))
  await t.rejects(storage.putFile('app/object', join(t.testdirName, 'missing')), { code: 'FST_SNAPSHOT_STORAGE_FAILED', cause: { code: 'ENOENT' } })
})

t.test('bytes that were changed on their way are refused by a real S3 server', { skip: noRealS3 }, async t => {
  const { proxy, storage, openUploads } = await makeFaultyStorage(t, await realS3(), patient)
  for (const body of [Buffer.from('a manifest'), large]) {
    proxy.fail('corrupt-request', { fits: ({ method }) => method === 'PUT' })
    await t.rejects(storage.put('app/object', body), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', message: /bytes were changed on the way/ })
  }
  t.same(await openUploads(), [])
  t.equal(await storage.head('app/object'), null)
})

t.test('a real S3 server encrypts with a key of its key management', { skip: noRealS3 }, async t => {
  const storage = new S3Storage({ ...await realS3(), serverSideEncryption: 'aws:kms', kmsKeyId: 'testkey-1' })
  await storage.put('app/object', large)
  t.ok((await read(storage, 'app/object')).equals(large))
})

t.test('a real S3 server tags objects, and locks them', { skip: noRealS3 }, async t => {
  const place = await realS3()
  const client = new S3Client({ endpoint: place.endpoint, region: 'us-east-1', forcePathStyle: true })
  const Bucket = `${place.bucket}-locked`
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true })).catch((error: unknown) => { if (!(error instanceof BucketAlreadyOwnedByYou)) throw error })
  const storage = new S3Storage({ ...place, bucket: Bucket, tags: { team: 'a & b', 'x+y': 'ä=ö' }, objectLock: { mode: 'GOVERNANCE', days: 1 } })
  await storage.put('object', Buffer.from('content'))
  const object = { Bucket, Key: `${String(place.prefix)}/object` }
  const { TagSet = [] } = await client.send(new GetObjectTaggingCommand(object))
  t.same(Object.fromEntries(TagSet.map(({ Key, Value }) => [Key, Value])), { team: 'a & b', 'x+y': 'ä=ö' })
  const { Retention } = await client.send(new GetObjectRetentionCommand(object))
  t.equal(Retention?.Mode, 'GOVERNANCE')
  t.ok(Number(Retention?.RetainUntilDate) > Date.now() + 23 * 3_600_000)
  await storage.deleteAll(['object'])
  t.same(await keysOf(storage, ''), [], 'a deletion hides what is locked')
})

t.test('a real S3 server refuses wrong credentials', { skip: noRealS3 }, async t => {
  const place = await realS3()
  for (const accessKeyId of ['unknown', String(process.env.AWS_ACCESS_KEY_ID)]) {
    const storage = new S3Storage({ ...place, credentials: { accessKeyId, secretAccessKey: 'wrong' } })
    await t.rejects(storage.head('app/object'), { code: 'FST_SNAPSHOT_STORAGE_DENIED', message: /credentials for bucket .* are wrong/ })
  }
  await t.rejects(new S3Storage({ ...place, bucket: 'no-such-bucket' }).head('app/object'), { message: /there is no bucket "no-such-bucket"/ })
})
