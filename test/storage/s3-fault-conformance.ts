import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { isSnapshotError } from '../../src/errors.ts'
import type { S3StorageOptions, SnapshotStorage } from '../../src/index.ts'
import type { Fault } from '../helpers/fault-proxy.ts'
import { testFolder } from '../helpers/folder.ts'
import { makeFaultyStorage } from '../helpers/s3-storages.ts'
import { chunks, keysOf, read } from './conformance/helpers.ts'

const large = randomBytes(6 * 2 ** 20)
const small = randomBytes(1000)
const partSize = 5 * 2 ** 20
/** The last one slows the client down for some time. */
const faults: Fault[] = ['reset', 'lose-answer', 'hang', 'cut', 'stall', { status: 500, code: 'InternalError' }, { delay: 50 }, 'slow-down']
const nameOf = (fault: Fault): string => typeof fault === 'string' ? fault : JSON.stringify(fault)

/** What a storage does; gives what was found, to be compared. */
const operations: Record<string, (storage: SnapshotStorage, t: Test) => Promise<unknown>> = {
  'a put of a buffer': async storage => await storage.put('app/new', small),
  'a put with ifAbsent': async storage => await storage.put('app/new', small, { ifAbsent: true }),
  'a put in parts': async storage => await storage.put('app/new', chunks(large), { ifAbsent: true }),
  'a put of a file': async (storage, t) => {
    writeFileSync(join(testFolder(t), 'file'), large)
    return await storage.putFile?.('app/new', join(t.testdirName, 'file'))
  },
  'a get in parts': async storage => (await read(storage, 'app/large')).equals(large),
  'a get of a range': async storage => await read(storage, 'app/large', { range: { offset: 5, length: 100 } }),
  'a head': async storage => (await storage.head('app/large'))?.bytes,
  'a listing': async storage => await keysOf(storage, ''),
  'a deletion': async storage => { await storage.delete('app/large') },
  'a deletion of many': async storage => { await storage.deleteAll?.(['app/large', 'app/missing']) },
  'the removal of partial writes': async storage => { await storage.removePartialWrites('') }
}

/**
 * What S3Storage promises where requests go wrong: a success, or a clear error in time, and never a part of an object.
 * @param server gives a place of its own for each test
 */
export function s3Faults (t: Test, server: () => Promise<S3StorageOptions & { endpoint: string }>): void {
  for (const [what, operate] of Object.entries(operations)) {
    void t.test(`${what} gets over one fault of any kind, at any of its requests`, async t => {
      const { proxy, storage, direct } = await makeFaultyStorage(t, await server(), { partSize, maxAttempts: 3 })
      await direct.put('app/large', large)
      const expected = await operate(storage, t)
      const count = proxy.requests.length
      for (const fault of faults) {
        for (let nth = 1; nth <= (fault === 'slow-down' ? 1 : count); nth++) {
          if (what.startsWith('a deletion')) await direct.put('app/large', large)
          await direct.delete('app/new')
          proxy.fail(fault, { nth })
          t.same(await operate(storage, t).catch((error: unknown) => error), expected, `${nameOf(fault)} at request ${nth}`)
        }
      }
      if (what.startsWith('a deletion')) t.equal(await direct.head('app/large'), null)
      if (what.startsWith('a put')) t.ok((await read(direct, 'app/new')).equals(what.includes('part') || what.includes('file') ? large : small))
    })

    void t.test(`${what} ends with a clear error where a fault stays`, async t => {
      const { proxy, storage, direct, openUploads } = await makeFaultyStorage(t, await server(), { partSize })
      for (const fault of faults.filter(fault => fault !== 'lose-answer' && !(typeof fault === 'object' && 'delay' in fault))) {
        await direct.put('app/large', large)
        proxy.decide = ({ method }) => (fault === 'cut' || fault === 'stall') && method !== 'GET' ? undefined : fault
        const outcome = await operate(storage, t).catch((error: unknown) => error)
        if (outcome instanceof Error) {
          t.ok(isSnapshotError(outcome), `${nameOf(fault)}: ${outcome.message}`)
          t.match(outcome.message, /"(bucket|snapshots-test)"/, 'and the bucket is named')
        } else {
          t.ok(fault === 'cut' || fault === 'stall', 'only what has no body can succeed')
        }
        proxy.decide = () => undefined
        if (outcome instanceof Error) t.equal(await direct.head('app/new'), null, 'nothing is stored')
        await direct.delete('app/new')
      }
      await direct.removePartialWrites('')
      t.same(await openUploads(), [])
    })
  }
}
