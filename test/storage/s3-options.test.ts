import t from 'tap'
import { S3Storage, s3OptionsFromEnv, type S3StorageOptions } from '../../src/index.ts'
import { s3Settings } from '../../src/storage/s3-options.ts'

const refused = (message: RegExp) => ({ code: 'FST_SNAPSHOT_INVALID_OPTION', message })
const setRegion = (value?: string): void => { if (value === undefined) delete process.env.AWS_REGION; else process.env.AWS_REGION = value }

t.test('only a bucket is needed', async t => {
  const before = process.env.AWS_REGION
  t.teardown(() => { setRegion(before) })
  setRegion()
  t.same(s3Settings({ bucket: 'bucket' }), {
    bucket: 'bucket',
    name: 's3',
    prefix: 'snapshots',
    partSize: 8 * 2 ** 20,
    queueSize: 4,
    maxAttempts: 5,
    connectionTimeout: 10_000,
    stallTimeout: 30_000,
    requestTimeout: 300_000,
    forcePathStyle: false
  })
  t.equal(new S3Storage({ bucket: 'bucket' }).name, 's3')
  t.equal(new S3Storage({ bucket: 'bucket', name: 'far-away' }).name, 'far-away')
})

t.test('a server other than AWS has the bucket in the path, and any region', async t => {
  const before = process.env.AWS_REGION
  t.teardown(() => { setRegion(before) })
  setRegion()
  t.match(s3Settings({ bucket: 'bucket', endpoint: 'http://localhost:9000' }), { forcePathStyle: true, region: 'us-east-1' })
  t.match(s3Settings({ bucket: 'bucket', endpoint: 'http://localhost:9000', forcePathStyle: false, region: 'auto' }), { forcePathStyle: false, region: 'auto' })
  setRegion('eu-west-1')
  t.match(s3Settings({ bucket: 'bucket', endpoint: 'http://localhost:9000' }), { region: 'eu-west-1' })
})

t.test('a prefix may have slashes around it, or be empty', async t => {
  for (const [prefix, expected] of [['', ''], ['/', ''], ['/backups/app/', 'backups/app'], [undefined, 'snapshots']] as const) {
    t.equal(s3Settings({ bucket: 'bucket', prefix } as S3StorageOptions).prefix, expected)
  }
})

t.test('a wrong option is refused by its name', async t => {
  const wrong: Array<[object, RegExp]> = [
    [{}, /S3 "bucket": it is missing/],
    [{ bucket: 'a/b' }, /S3 "bucket": it must be the name of a bucket/],
    [{ bucket: 'bucket--use1-az4--x-s3' }, /S3 "bucket": it must be the name of a bucket, not of a directory bucket/],
    [{ prefix: 'x'.repeat(512) }, /S3 "prefix": it has more than 511 characters/],
    [{ endpoint: 'https://key:secret@localhost' }, /S3 "endpoint": it must be .* without a path and credentials/],
    [{ prefix: 'a b' }, /S3 "prefix": "a b" is no key/],
    [{ endpoint: 'localhost:9000' }, /S3 "endpoint": it must be a URL such as/],
    [{ endpoint: 'http://localhost/path' }, /without a path/],
    [{ partSize: 1024 }, /S3 "partSize": it must be a whole number of bytes from 5 MiB/],
    [{ queueSize: 0 }, /S3 "queueSize": it must be a whole number from 1 to 64/],
    [{ requestTimeout: 0 }, /S3 "requestTimeout": it must be a whole number of milliseconds/],
    [{ serverSideEncryption: 'rot13' }, /S3 "serverSideEncryption": it must be one of AES256, aws:kms/],
    [{ kmsKeyId: 'key' }, /S3 "kmsKeyId": it needs "serverSideEncryption" to be aws:kms/],
    [{ objectLock: { mode: 'GOVERNANCE' } }, /S3 "objectLock.days": it is missing/],
    [{ credentials: 'secret' }, /S3 "credentials": it must be \{ accessKeyId/],
    [{ client: {} }, /S3 "client": it has no method send/],
    [{ tags: { a: 1 } }, /S3 "tags/],
    [{ buckett: 'x' }, /S3 "buckett": it is not known; known are bucket, name/]
  ]
  for (const [options, message] of wrong) {
    const bucket = Object.keys(options).length === 0 ? {} : { bucket: 'bucket' }
    t.throws(() => new S3Storage({ ...bucket, ...options } as unknown as S3StorageOptions), refused(message))
  }
})

t.test('the environment gives options once it names a bucket', async t => {
  t.equal(s3OptionsFromEnv({ S3_ENDPOINT: 'http://localhost:9000', S3_BUCKET: '' }), null)
  t.same(s3OptionsFromEnv({ S3_BUCKET: 'bucket', S3_PREFIX: '' }), { bucket: 'bucket' })
  const all = { S3_BUCKET: 'bucket', S3_PREFIX: 'app', S3_ENDPOINT: 'http://localhost:9000', AWS_REGION: 'eu-west-1' }
  t.same(s3OptionsFromEnv(all), { bucket: 'bucket', prefix: 'app', endpoint: 'http://localhost:9000', region: 'eu-west-1' })
  const before = process.env.S3_BUCKET
  t.teardown(() => { if (before === undefined) delete process.env.S3_BUCKET; else process.env.S3_BUCKET = before })
  process.env.S3_BUCKET = 'of-the-process'
  t.match(s3OptionsFromEnv(), { bucket: 'of-the-process' })
})
