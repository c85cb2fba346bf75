import { randomBytes } from 'node:crypto'
import { chunks, keysOf, read, text, type Declare } from './helpers.ts'

export function writing (promise: Declare): void {
  promise('it has a name', async (t, storage) => {
    t.type(storage.name, 'string')
    t.not(storage.name, '')
  })

  promise('what is put is got, from a buffer, any other bytes, or a stream of chunks', async (t, storage) => {
    t.same(await storage.put('app/one', Buffer.from('one')), { bytes: 3 })
    t.same(await storage.put('app/two', new Uint8Array([116, 119, 111])), { bytes: 3 })
    t.same(await storage.put('app/three', chunks('th', '', 'ree')), { bytes: 5 })
    t.same(await storage.put('app/none', chunks()), { bytes: 0 })
    t.same(await storage.put('app/empty', Buffer.alloc(0)), { bytes: 0 })
    t.equal(await text(storage, 'app/one'), 'one')
    t.equal(await text(storage, 'app/two'), 'two')
    t.equal(await text(storage, 'app/three'), 'three')
    t.equal(await text(storage, 'app/none'), '')
    t.equal(await text(storage, 'app/empty'), '')
  })

  promise('an object of many megabytes in chunks of all sizes comes back as it was', async (t, storage) => {
    const parts = [1, 5 * 2 ** 20, 17, 8 * 2 ** 20 + 3, 65_536].map(size => randomBytes(size))
    const whole = Buffer.concat(parts)
    t.same(await storage.put('app/large', chunks(...parts)), { bytes: whole.length })
    t.ok((await read(storage, 'app/large')).equals(whole))
    const range = { offset: 5 * 2 ** 20, length: 2 ** 20 + 1 }
    t.ok((await read(storage, 'app/large', { range })).equals(whole.subarray(range.offset, range.offset + range.length)), 'and any part of it')
  })

  promise('an object is replaced by a longer and by a shorter one', async (t, storage) => {
    for (const content of ['first', 'a second that is longer', '3']) {
      await storage.put('app/object', Buffer.from(content))
      t.equal(await text(storage, 'app/object'), content)
      t.equal((await storage.head('app/object'))?.bytes, content.length)
    }
  })

  promise('with ifAbsent an object that is there is not replaced', async (t, storage) => {
    t.same(await storage.put('app/object', Buffer.from('first'), { ifAbsent: true }), { bytes: 5 })
    await t.rejects(storage.put('app/object', Buffer.from('second'), { ifAbsent: true }), { code: 'FST_SNAPSHOT_STORAGE_EXISTS', message: /app\/object/ })
    t.equal(await text(storage, 'app/object'), 'first')
    await storage.delete('app/object')
    await storage.put('app/object', Buffer.from('third'), { ifAbsent: true })
    t.equal(await text(storage, 'app/object'), 'third', 'a deleted one is absent')
  })

  promise('of many writers racing with ifAbsent one wins, and its bytes are stored', async (t, storage) => {
    const writers = Array.from({ length: 20 }, async (_, number) => await storage.put('app/race', chunks(`writer ${number}`, '.'.repeat(10_000)), { ifAbsent: true }))
    const outcomes = await Promise.allSettled(writers)
    const winners = outcomes.flatMap(({ status }, number) => status === 'fulfilled' ? [number] : [])
    t.equal(winners.length, 1)
    t.ok((await text(storage, 'app/race')).startsWith(`writer ${winners[0]}.`))
    for (const outcome of outcomes) if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'FST_SNAPSHOT_STORAGE_EXISTS' })
    t.same(await keysOf(storage, ''), ['app/race'])
  })

  promise('of many writers racing without it the last one stays, whole', async (t, storage) => {
    await Promise.all(Array.from({ length: 20 }, async (_, number) => await storage.put('app/race', chunks(String(number).padEnd(5), 'x'.repeat(100_000), String(number).padEnd(5)))))
    const stored = await text(storage, 'app/race')
    t.equal(stored.length, 100_010)
    t.equal(stored.slice(0, 5), stored.slice(-5))
  })

  promise('nothing is seen of a write before it is done', async (t, storage) => {
    await storage.put('app/object', Buffer.from('old'))
    await storage.put('app/object', (async function * () {
      yield Buffer.alloc(3 * 2 ** 20)
      t.equal(await text(storage, 'app/object'), 'old')
      t.same(await keysOf(storage, ''), ['app/object'])
      yield Buffer.alloc(1)
    })())
    t.equal((await storage.head('app/object'))?.bytes, 3 * 2 ** 20 + 1)
  })
}
