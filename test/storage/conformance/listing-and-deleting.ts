import { deleteAll } from '../../../src/storage/delete-all.ts'
import { keysOf, type Declare } from './helpers.ts'

export function listing (promise: Declare): void {
  const all = ['app-2/snapshots/a', 'app.old', 'app/marks/1.json', 'app/packs/1/data.zst', 'app/packs/10/data.zst', 'app/snapshots/B.json', 'app/snapshots/_.json', 'app/snapshots/a.json', 'app0', 'b']

  promise('a listing gives all keys with a prefix in their order', async (t, storage) => {
    for (const key of [...all].reverse()) await storage.put(key, Buffer.from(key))
    for (const prefix of ['', 'app', 'app/', 'app-', 'app/packs/1', 'app/packs/1/', 'app/snapshots/', 'app/snapshots/a.json', 'b', 'c', 'c/d/', 'app/packs/1/data.zst2', 'a']) {
      t.same(await keysOf(storage, prefix), all.filter(key => key.startsWith(prefix)), `prefix "${prefix}"`)
    }
  })

  promise('a listing says what head says', async (t, storage) => {
    for (const key of all) await storage.put(key, Buffer.from(key))
    for await (const object of storage.list('')) {
      t.equal(object.bytes, object.key.length)
      t.same(object, await storage.head(object.key))
    }
  })

  promise('a listing of nothing is empty', async (t, storage) => {
    t.same(await keysOf(storage, ''), [])
    t.same(await keysOf(storage, 'app/'), [])
  })

  promise('an object that is deleted during a listing is left out or still told of, and the listing goes on', async (t, storage) => {
    for (const key of ['app/1', 'app/2', 'app/3']) await storage.put(key, Buffer.from('x'))
    const seen: string[] = []
    for await (const { key } of storage.list('app/')) {
      seen.push(key)
      await storage.delete('app/2')
    }
    t.same(seen.filter(key => key !== 'app/2'), ['app/1', 'app/3'])
  })

  promise('objects that stay are in every listing while others come and go', async (t, storage) => {
    const staying = Array.from({ length: 30 }, (_, number) => `app/packs/${number}/staying`).sort()
    for (const key of staying) await storage.put(key, Buffer.from('x'))
    const progress = { isDone: false, incomplete: 0 }
    const listings = (async () => {
      while (!progress.isDone) {
        const seen = (await keysOf(storage, 'app/')).filter(key => key.endsWith('staying'))
        if (seen.join() !== staying.join()) progress.incomplete++
      }
    })()
    const errors: unknown[] = []
    await Promise.all(Array.from({ length: 4 }, async (_, writer) => {
      for (let round = 0; round < 40; round++) {
        await storage.put(`app/packs/w${writer}/going`, Buffer.from('x')).catch((error: unknown) => errors.push(error))
        await storage.delete(`app/packs/w${writer}/going`).catch((error: unknown) => errors.push(error))
      }
    }))
    progress.isDone = true
    await listings
    t.same(errors, [])
    t.equal(progress.incomplete, 0, 'no listing was incomplete')
  })
}

export function deleting (promise: Declare): void {
  promise('a deleted object is gone and its neighbours are not', async (t, storage) => {
    for (const key of ['app/1', 'app/10', 'app/2/3']) await storage.put(key, Buffer.from(key))
    await storage.delete('app/1')
    t.equal(await storage.head('app/1'), null)
    await t.rejects(storage.get('app/1'), { code: 'FST_SNAPSHOT_STORAGE_MISSING' })
    t.same(await keysOf(storage, ''), ['app/10', 'app/2/3'])
  })

  promise('to delete what is missing is no error', async (t, storage) => {
    await storage.put('app/2/3', Buffer.from('x'))
    for (const key of ['app/1', 'nothing/at/all', 'app', 'app/2']) await t.resolves(storage.delete(key), key)
    t.same(await keysOf(storage, ''), ['app/2/3'], 'the beginning of another key is missing too')
  })

  promise('many objects are deleted, those that are missing are no error, and their neighbours stay', async (t, storage) => {
    const keys = ['app/1', 'app/2/3', 'b', ...Array.from({ length: 60 }, (_, number) => `app/marks/${number}`)]
    for (const key of [...keys, 'app/10', 'app/2/4']) await storage.put(key, Buffer.from(key))
    await deleteAll(storage, ['app/missing', ...keys, 'nothing/at/all', 'app', 'b'])
    t.same(await keysOf(storage, ''), ['app/10', 'app/2/4'])
    await deleteAll(storage, [])
    await deleteAll(storage, ['app/10'])
    t.same(await keysOf(storage, ''), ['app/2/4'])
  })

  promise('the last objects of a prefix are deleted at once', async (t, storage) => {
    const errors: unknown[] = []
    const note = (error: unknown): void => { errors.push(error) }
    for (let round = 0; round < 150; round++) {
      for (const key of ['app/marks/1', 'app/marks/2']) await storage.put(key, Buffer.from(key))
      const first = storage.delete('app/marks/1').catch(note)
      for (let step = 0; step < round % 5; step++) await storage.head('app/marks/1')
      await storage.delete('app/marks/2').catch(note)
      await first
    }
    t.equal(errors[0], undefined)
    t.same(await keysOf(storage, ''), [])
  })

  promise('a put succeeds while its last neighbour is deleted', async (t, storage) => {
    const errors: unknown[] = []
    for (let round = 0; round < 120; round++) {
      await storage.put('app/marks/old', Buffer.from('old'))
      const deletion = storage.delete('app/marks/old')
      for (let step = 0; step < round % 12; step++) await storage.head('app/marks/old')
      await storage.put('app/marks/new', Buffer.from('new')).catch((error: unknown) => { errors.push(error) })
      await deletion
      await storage.delete('app/marks/new')
    }
    t.equal(errors[0], undefined)
  })

  promise('removing partial writes removes no object, whatever its name', async (t, storage) => {
    const keys = ['app/a.partial', 'app/data.zst', 'app/packs/x.tmp', 'app/x.partial.partial']
    for (const key of keys) await storage.put(key, Buffer.from(key))
    for (const prefix of ['', 'app/', 'app', 'nothing/']) await storage.removePartialWrites(prefix)
    t.same(await keysOf(storage, ''), keys)
  })
}
