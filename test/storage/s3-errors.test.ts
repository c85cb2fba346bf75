import t from 'tap'
import { codeOf } from '../../src/errors.ts'
import { S3Storage } from '../../src/index.ts'
import { explainS3Error } from '../../src/storage/s3-errors.ts'
import type { Fault } from '../helpers/fault-proxy.ts'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { impatient, makeFaultyStorage } from '../helpers/s3-storages.ts'
import { keysOf, read } from './conformance/helpers.ts'

const emulator = await startS3Emulator(t)
const settings = { name: 's3', bucket: 'bucket' }

const answers: Array<{ what: string, fault: Fault, code: string, says: RegExp }> = [
  { what: 'access that is denied', fault: { status: 403, code: 'AccessDenied' }, code: 'DENIED', says: /access to bucket "bucket" at http:\S+ is denied; .*policy/ },
  { what: 'a bucket that is missing', fault: { status: 404, code: 'NoSuchBucket' }, code: 'FAILED', says: /there is no bucket "bucket" at .*S3_BUCKET/ },
  {
    what: 'a wrong region',
    fault: { status: 400, body: '<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>' },
    code: 'FAILED',
    says: /is in another region, eu-west-1; set "region" \(AWS_REGION\)/
  },
  {
    what: 'a bucket that is elsewhere',
    fault: { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-2' } },
    code: 'FAILED',
    says: /is in another region, eu-west-2;/
  },
  { what: 'a bucket that is who knows where', fault: { status: 301, code: 'PermanentRedirect' }, code: 'FAILED', says: /is in another region; set/ },
  { what: 'a wrong clock', fault: { status: 403, code: 'RequestTimeTooSkewed' }, code: 'DENIED', says: /the clock of this machine and that of bucket "bucket"/ },
  { what: 'credentials that have expired', fault: { status: 400, code: 'ExpiredToken' }, code: 'DENIED', says: /have expired .*\(ExpiredToken\); renew/ },
  { what: 'an unknown access key', fault: { status: 403, code: 'InvalidAccessKeyId' }, code: 'DENIED', says: /are wrong \(InvalidAccessKeyId\); check AWS_ACCESS_KEY_ID/ },
  { what: 'a wrong secret', fault: { status: 403, code: 'SignatureDoesNotMatch' }, code: 'DENIED', says: /are wrong \(SignatureDoesNotMatch\)/ },
  { what: 'too many requests', fault: 'slow-down', code: 'UNAVAILABLE', says: /is overloaded or out of order \(\w+, status 503\) after 2 tries/ },
  { what: 'a server that is broken', fault: { status: 500, code: 'InternalError' }, code: 'UNAVAILABLE', says: /\(\w+, status 500\) after 2 tries/ },
  { what: 'bytes that were changed', fault: { status: 400, code: 'XAmzContentSHA256Mismatch' }, code: 'UNAVAILABLE', says: /bytes were changed on the way to bucket/ },
  { what: 'a connection that is reset', fault: 'reset', code: 'UNAVAILABLE', says: /the connection to bucket "bucket" at \S+ broke off/ },
  { what: 'no answer', fault: 'hang', code: 'UNAVAILABLE', says: /did not answer in time.*"stallTimeout"/ },
  { what: 'what the server cannot do', fault: { status: 501, code: 'NotImplemented' }, code: 'FAILED', says: /bucket "bucket" at \S+: (NotImplemented as the test says|Unknown)/ },
  { what: 'an object that is archived', fault: { status: 403, code: 'InvalidObjectState' }, code: 'FAILED', says: /is archived and cannot be read at once/ },
  { what: 'a quota that is reached', fault: { status: 403, code: 'QuotaExceeded' }, code: 'FAILED', says: /takes no more \(QuotaExceeded\); make room/ },
  { what: 'anything else', fault: { status: 400, code: 'InvalidArgument' }, code: 'FAILED', says: /bucket "bucket" at \S+: InvalidArgument as the test says/ }
]

for (const { what, fault, code, says } of answers) {
  t.test(`${what} is said clearly by every operation`, async t => {
    const { proxy, storage } = await makeFaultyStorage(t, emulator)
    proxy.decide = () => fault
    const expected = { code: `FST_SNAPSHOT_STORAGE_${code}`, message: says, cause: { message: String } }
    await t.rejects(storage.put('app/object', Buffer.from('x')), expected)
    await t.rejects(storage.get('app/object'), expected)
    await t.rejects(storage.head('app/object'), expected)
    await t.rejects(keysOf(storage, ''), expected)
    await t.rejects(storage.delete('app/object'), expected)
    await t.rejects(storage.deleteAll(['app/object']), expected)
    await t.rejects(storage.removePartialWrites(''), expected)
  })
}

t.test('a server that cannot be reached', async t => {
  for (const [endpoint, cause] of [['http://127.0.0.1:1', 'ECONNREFUSED'], ['http://nowhere.invalid', /ENOTFOUND|EAI_AGAIN/]] as const) {
    const storage = new S3Storage({ ...emulator, ...impatient, endpoint })
    const error = await storage.head('app/object').catch((error: unknown) => error) as Error
    t.match(error, { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', message: /cannot be reached .*S3_ENDPOINT/ })
    t.match(codeOf(error.cause), cause)
  }
})

t.test('no credentials, or no region', async t => {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION', 'AWS_PROFILE', 'AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_EC2_METADATA_DISABLED']
  const before = Object.fromEntries(names.map(name => [name, process.env[name]]))
  t.teardown(() => { for (const name of names) if (before[name] === undefined) delete process.env[name]; else process.env[name] = before[name] })
  for (const name of names) delete process.env[name]
  Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: 'true', AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' })
  const { credentials, ...others } = emulator
  await t.rejects(new S3Storage(others).head('app/object'), { code: 'FST_SNAPSHOT_STORAGE_DENIED', message: /no credentials for bucket "bucket" at .*AWS_ACCESS_KEY_ID/ })
  await t.rejects(new S3Storage({ bucket: 'bucket' }).head('app/object'), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /the region of bucket "bucket" is not known; set "region"/ })
})

t.test('a head that is refused asks once more, as its answer has no reason in it', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator)
  proxy.decide = ({ method }) => method === 'HEAD' ? { status: 403 } : { status: 404, code: 'NoSuchBucket' }
  await t.rejects(storage.head('app/object'), { message: /there is no bucket/ })
  await storage.put('app/object', Buffer.from('x')).catch(() => {})
  proxy.decide = ({ method }) => method === 'HEAD' ? { status: 403 } : undefined
  await storage.put('app/object', Buffer.from('x'))
  t.match(await storage.head('app/object'), { key: 'app/object', bytes: 1 })
  t.equal(await storage.head('app/obj'), null)
})

t.test('a get that is refused asks once more: what is missing is refused to those who may not list the whole bucket', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator)
  await direct.put('app/object', Buffer.from('x'))
  proxy.decide = ({ url }) => url.includes('list-type') ? undefined : { status: 403, code: 'AccessDenied' }
  await t.rejects(storage.get('app/obj'), { code: 'FST_SNAPSHOT_STORAGE_MISSING', cause: { name: 'AccessDenied' } })
  await t.rejects(storage.get('app/object'), { code: 'FST_SNAPSHOT_STORAGE_DENIED' })
  proxy.decide = ({ url }) => url.includes('list-type') ? { status: 404, code: 'NoSuchBucket' } : { status: 403, code: 'AccessDenied' }
  await t.rejects(storage.get('app/obj'), { code: 'FST_SNAPSHOT_STORAGE_DENIED' }, 'where that fails too, the first answer is told')
})

t.test('a denial without a code is known by its status', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator)
  proxy.decide = () => ({ status: 403, body: '<html>a proxy</html>' })
  await t.rejects(keysOf(storage, ''), { code: 'FST_SNAPSHOT_STORAGE_DENIED' })
})

t.test('whatever is thrown is explained', t => {
  t.match(explainS3Error(null, settings), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: 'Storage "s3" failed: bucket "bucket":  null' })
  const own = explainS3Error(new Error('x'), settings)
  t.equal(explainS3Error(own, settings), own, 'once')
  t.match(explainS3Error({ $metadata: { httpStatusCode: 503 } }, settings), { message: /status 503\) after 1 tries/ })
  t.end()
})

t.test('an aborted reading is no failure of the storage', async t => {
  const { storage } = await makeFaultyStorage(t, emulator)
  await t.rejects(read(storage, 'app/object', { signal: AbortSignal.abort() }), { name: 'AbortError' })
})
