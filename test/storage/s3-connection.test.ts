import t from 'tap'
import { S3Storage, type S3Credentials } from '../../src/index.ts'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { makeFaultyStorage } from '../helpers/s3-storages.ts'

const emulator = await startS3Emulator(t)

t.test('requests that are many do not wait for one another', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator, { maxAttempts: 1, connectionTimeout: 1000, stallTimeout: 20_000, requestTimeout: 20_000 })
  await direct.put('app/object', Buffer.from('content'))
  proxy.decide = () => ({ delay: 1500 })
  const found = await Promise.all(Array.from({ length: 80 }, async () => await storage.head('app/object')))
  t.equal(found.filter(object => object?.bytes === 7).length, 80)
})

t.test('a function that gives credentials is asked again when they end', async t => {
  for (const [expiration, isAskedAgain] of [[new Date(Date.now() + 1000), true], [undefined, false]] as const) {
    let count = 0
    const credentials = async (): Promise<S3Credentials> => {
      count++
      return { accessKeyId: 'key', secretAccessKey: 'secret', ...(expiration && { expiration }) }
    }
    const storage = new S3Storage({ ...emulator, credentials })
    await storage.head('app/object')
    const before = count
    await storage.head('app/object')
    t.equal(count > before, isAskedAgain)
  }
})
