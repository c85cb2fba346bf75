import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CreateMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3'
import t, { type Test } from 'tap'
import { codeOf } from '../../src/errors.ts'
import { S3Storage } from '../../src/index.ts'
import { realS3 } from '../helpers/real-s3.ts'
import { allow, noOtherUser, otherUser, type Policy } from '../helpers/s3-policy.ts'
import { makeFaultyStorage } from '../helpers/s3-storages.ts'
import { chunks, keysOf, text } from './conformance/helpers.ts'

const partSize = 5 * 2 ** 20
const large = randomBytes(6 * 2 ** 20)
const documented = String(/```json\n(.*?)```/s.exec(readFileSync('docs/s3.md', 'utf8'))?.[1])

/** What a storage does, and what comes of it where it may. */
const operations: Record<string, { run: (storage: S3Storage) => Promise<unknown>, gives: unknown }> = {
  'a put': { run: async storage => await storage.put('app/new', Buffer.from('new')), gives: { bytes: 3 } },
  'a put with ifAbsent': { run: async storage => await storage.put('app/new', Buffer.from('new'), { ifAbsent: true }), gives: { bytes: 3 } },
  'a put in parts': { run: async storage => await storage.put('app/new', large), gives: { bytes: large.length } },
  'a put of a stream in parts with ifAbsent': { run: async storage => await storage.put('app/new', chunks(large), { ifAbsent: true }), gives: { bytes: large.length } },
  'a get': { run: async storage => await text(storage, 'app/object'), gives: '0123456789' },
  'a get of a range': { run: async storage => await text(storage, 'app/object', { range: { offset: 2, length: 3 } }), gives: '234' },
  'a get of a missing object': { run: async storage => await storage.get('app/missing').catch((error: unknown) => { if (codeOf(error) !== 'FST_SNAPSHOT_STORAGE_MISSING') throw error }), gives: undefined },
  'a head': { run: async storage => (await storage.head('app/object'))?.bytes, gives: 10 },
  'a head of a missing object': { run: async storage => await storage.head('app/missing'), gives: null },
  'a listing': { run: async storage => await keysOf(storage, 'app/'), gives: ['app/object', 'app/other'] },
  'a deletion': { run: async storage => { await storage.delete('app/object') }, gives: undefined },
  'a deletion of many': { run: async storage => { await storage.deleteAll(['app/object', 'app/other', 'app/missing']) }, gives: undefined },
  'the removal of partial writes': { run: async storage => { await storage.removePartialWrites('app/') }, gives: undefined }
}

/** What is denied without an action. Head finds by a listing what it may not look at. */
const needs: Record<string, RegExp> = {
  's3:GetObject': /^a get( of a range)?$/,
  's3:PutObject': /^a put/,
  's3:DeleteObject': /^a deletion/,
  's3:AbortMultipartUpload': /^the removal/,
  's3:ListBucket': /missing object$|^a listing$|in parts with ifAbsent$/,
  's3:ListBucketMultipartUploads': /^the removal/
}

t.test('the policy in docs/s3.md, on a real S3 server', { skip: noOtherUser }, async t => {
  const place = { ...await realS3(), partSize }
  const prefix = String(place.prefix)
  const policy = JSON.parse(documented.replaceAll('my-backups', place.bucket).replaceAll('snapshots/*', `${prefix}/*`)) as Policy
  const client = new S3Client({ endpoint: place.endpoint, region: 'us-east-1', forcePathStyle: true })

  /** The operations that are denied to the other user below a prefix; each that is not gives what it shall. */
  const denied = async (t: Test, prefix: string): Promise<string[]> => {
    const owner = new S3Storage({ ...place, prefix })
    const limited = new S3Storage({ ...place, prefix, credentials: otherUser })
    const names: string[] = []
    for (const [name, { run, gives }] of Object.entries(operations)) {
      await owner.delete('app/new')
      for (const key of ['app/object', 'app/other']) await owner.put(key, Buffer.from('0123456789'))
      await client.send(new CreateMultipartUploadCommand({ Bucket: place.bucket, Key: `${prefix}/app/partial` }))
      const outcome = await run(limited).catch((error: unknown) => error)
      if (codeOf(outcome) === 'FST_SNAPSHOT_STORAGE_DENIED') names.push(name)
      else t.same(outcome, gives, name)
      await owner.removePartialWrites('')
    }
    return names
  }

  await t.test('without it everything is denied', async t => {
    t.same(await denied(t, prefix), Object.keys(operations))
  })

  await t.test('with it nothing is denied', async t => {
    await allow(t, policy)
    t.same(await denied(t, prefix), [])
  })

  await t.test('with it everything is denied outside the prefix', async t => {
    await allow(t, policy)
    for (const outside of [`${prefix}-2`, `${prefix.slice(0, -1)}`, 'other']) t.same(await denied(t, outside), Object.keys(operations), outside)
  })

  for (const action of policy.Statement.flatMap(({ Action }) => Action)) {
    await t.test(`without ${action} something is denied`, async t => {
      const Statement = policy.Statement.map(statement => ({ ...statement, Action: [statement.Action].flat().filter(other => other !== action) }))
      await allow(t, { ...policy, Statement: Statement.filter(({ Action }) => Action.length > 0) })
      t.same(await denied(t, prefix), Object.keys(operations).filter(name => needs[action]?.test(name)))
    })
  }
})

for (const [where, isOnBucket, methods] of [['on objects', false, ['POST', 'DELETE', 'DELETE']], ['on the bucket as well', true, ['POST']]] as const) {
  t.test(`a real S3 server deletes many objects where their deletion is allowed ${where}`, { skip: noOtherUser }, async t => {
    const place = await realS3()
    const { proxy, storage, direct } = await makeFaultyStorage(t, { ...place, credentials: otherUser })
    const bucket = `arn:aws:s3:::${place.bucket}`
    const statement = { Sid: 'Objects', Effect: 'Allow' as const, Action: ['s3:PutObject', 's3:DeleteObject'], Resource: isOnBucket ? [`${bucket}/*`, bucket] : `${bucket}/*` }
    await allow(t, { Version: '2012-10-17', Statement: [statement] })
    for (const key of ['app/1', 'app/2']) await direct.put(key, Buffer.from('x'))
    await storage.deleteAll(['app/1', 'app/2'])
    t.same(proxy.requests.map(({ method }) => method), methods)
  })
}
