import { S3Client, ListObjectsV2Command } from '@aws-sdk/client-s3'
import t from 'tap'
import { limitAnswers } from '../../src/storage/s3-time-limits.ts'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { makeFaultyStorage } from '../helpers/s3-storages.ts'
import { keysOf, text } from './conformance/helpers.ts'

const emulator = await startS3Emulator(t)
const ended = { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', message: /did not answer in time, or stopped in the middle/ }

t.test('an answer that trickles for ever ends with the time of a request', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, { requestTimeout: 500, stallTimeout: 10_000 })
  await direct.put('app/object', Buffer.from('content'))
  proxy.fail('trickle')
  t.same(await keysOf(storage, ''), ['app/object'], 'and is asked for again')
  proxy.decide = () => 'trickle'
  await t.rejects(keysOf(storage, ''), { ...ended, cause: { message: 'the answer took too long' } })
  await t.rejects(storage.deleteAll(['app/object']), ended)
  await t.rejects(storage.removePartialWrites(''), ended)
})

t.test('an answer that stops ends, whatever the SDK does about it', async t => {
  const { proxy } = await makeFaultyStorage(t, emulator)
  const { bucket, region, credentials } = emulator
  const client = new S3Client({ endpoint: proxy.endpoint, forcePathStyle: true, maxAttempts: 1, region: String(region), ...(credentials && { credentials }) })
  limitAnswers(client, { stallTimeout: 200, requestTimeout: 100_000 })
  proxy.decide = () => 'stall'
  await t.rejects(client.send(new ListObjectsV2Command({ Bucket: bucket })), { name: 'TimeoutError', message: 'the answer stopped for 200 ms' })
})

t.test('a connection that is used again and again keeps nothing of the answers before', async t => {
  const warnings: Error[] = []
  const note = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', note)
  t.teardown(() => { process.off('warning', note) })
  const { storage, direct } = await makeFaultyStorage(t, emulator)
  await direct.put('app/object', Buffer.from('content'))
  for (let count = 0; count < 20; count++) t.equal(await text(direct, 'app/object'), 'content')
  for (let count = 0; count < 20; count++) t.match(await storage.head('app/object'), { bytes: 7 })
  await new Promise(resolve => { setImmediate(resolve) })
  t.same(warnings, [])
})
