import { randomBytes } from 'node:crypto'
import { readAll } from '../../../src/storage/storage-key.ts'
import { read, text, type Declare } from './helpers.ts'

export function reading (promise: Declare): void {
  promise('a missing object is an error of get itself', async (t, storage) => {
    await storage.put('app/other', Buffer.from('other'))
    await t.rejects(storage.get('app/missing'), { code: 'FST_SNAPSHOT_STORAGE_MISSING', message: /app\/missing/ })
    await t.rejects(storage.get('nothing/at/all'), { code: 'FST_SNAPSHOT_STORAGE_MISSING' })
    await t.rejects(storage.get('app/missing', { range: { offset: 0, length: 0 } }), { code: 'FST_SNAPSHOT_STORAGE_MISSING' })
    await t.rejects(storage.get('app'), { code: 'FST_SNAPSHOT_STORAGE_MISSING' }, 'the beginning of another key is none')
  })

  promise('a range gives the bytes there are', async (t, storage) => {
    await storage.put('app/object', Buffer.from('0123456789'))
    const ranges: Array<[number, number, string]> = [
      [0, 10, '0123456789'], [0, 1, '0'], [3, 4, '3456'], [9, 1, '9'], [8, 5, '89'], [0, 2 ** 40, '0123456789'],
      [10, 1, ''], [11, 5, ''], [2 ** 40, 5, ''], [0, 0, ''], [5, 0, ''], [50, 0, ''], [5, Number.MAX_SAFE_INTEGER, '56789']
    ]
    for (const [offset, length, expected] of ranges) {
      t.equal(await text(storage, 'app/object', { range: { offset, length } }).catch((error: unknown) => error), expected, `${length} bytes from ${offset}`)
    }
  })

  promise('a range of an empty object is empty', async (t, storage) => {
    await storage.put('app/empty', Buffer.alloc(0))
    t.equal(await text(storage, 'app/empty', { range: { offset: 0, length: 5 } }), '')
  })

  promise('a reading that is aborted fails', async (t, storage) => {
    await storage.put('app/object', Buffer.alloc(8 * 2 ** 20))
    await t.rejects(read(storage, 'app/object', { signal: AbortSignal.abort() }), { name: 'AbortError' })
    const controller = new AbortController()
    const stream = await storage.get('app/object', { signal: controller.signal })
    await t.rejects((async () => { for await (const chunk of stream) controller.abort(chunk) })(), { name: 'AbortError' })
  })

  for (const what of ['replaced', 'deleted'] as const) {
    promise(`an object that is ${what} while it is read is read as it was, or the stream fails`, async (t, storage) => {
      const content = randomBytes(6 * 2 ** 20)
      await storage.put('app/object', content)
      const stream = await storage.get('app/object')
      await (what === 'replaced' ? storage.put('app/object', Buffer.alloc(content.length)) : storage.delete('app/object'))
      const outcome = await readAll(stream).catch((error: unknown) => error)
      t.ok(outcome instanceof Error || (outcome as Buffer).equals(content))
    })
  }

  promise('head tells size and time, and null where there is nothing', async (t, storage) => {
    const before = Date.now()
    await storage.put('app/packs/object', Buffer.from('12345'))
    const object = await storage.head('app/packs/object')
    t.match(object, { key: 'app/packs/object', bytes: 5 })
    t.ok(Math.abs(Number(object?.modifiedAt) - before) < 3_600_000, 'the time is about now')
    t.equal(await storage.head('app/packs/missing'), null)
    t.equal(await storage.head('missing/key'), null)
    t.equal(await storage.head('app/packs'), null, 'the beginning of another key is none')
  })
}
