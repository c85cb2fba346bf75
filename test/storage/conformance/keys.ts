import { deleteAll } from '../../../src/storage/delete-all.ts'
import { keysOf, text, type Declare } from './helpers.ts'

export function keys (promise: Declare): void {
  const bad = ['', '/', '/app', 'app/', 'app//x', '.', '..', '../x', 'app/../x', 'app/..', 'app/./x', '.hidden', 'app/.hidden', 'a b', 'ä', 'a\\b', 'a\0b', 'a\n', 'app/%2e', 'a:b', 'a*', 'x'.repeat(513)]

  promise('keys that could leave the storage or mean two things are refused everywhere', async (t, storage) => {
    await storage.put('app/object', Buffer.from('x'))
    for (const key of bad) {
      const refused = { code: 'FST_SNAPSHOT_STORAGE_KEY' }
      await t.rejects(storage.put(key, Buffer.from('x')), refused, `put ${JSON.stringify(key)}`)
      await t.rejects(storage.get(key), refused)
      await t.rejects(storage.head(key), refused)
      await t.rejects(storage.delete(key), refused)
      await t.rejects(deleteAll(storage, ['app/object', key]), refused)
      if (storage.fileOf !== undefined) t.throws(() => storage.fileOf?.(key), refused)
    }
    t.same(await keysOf(storage, ''), ['app/object'], 'nothing is deleted where one of the keys is none')
  })

  promise('prefixes that could leave the storage are refused', async (t, storage) => {
    for (const prefix of bad.filter(key => key !== '' && key !== 'app/')) {
      await t.rejects(keysOf(storage, prefix), { code: 'FST_SNAPSHOT_STORAGE_KEY' }, `list ${JSON.stringify(prefix)}`)
      await t.rejects(storage.removePartialWrites(prefix), { code: 'FST_SNAPSHOT_STORAGE_KEY' })
    }
  })

  promise('a refused key stands in the error as JSON, so that control characters are seen', async (t, storage) => {
    await t.rejects(storage.head('a\nb'), { message: 'Invalid storage key "a\\nb"' })
  })

  promise('every character a key may have, and the longest key, are taken', async (t, storage) => {
    const longest = Array.from({ length: 6 }, () => 'x'.repeat(84)).join('/').padEnd(512, 'y')
    const keys = ['ABCXYZabcxyz0189._-/-/_/0..x/a.', '__proto__', longest].sort()
    for (const key of keys) await storage.put(key, Buffer.from(key))
    for (const key of keys) t.equal(await text(storage, key), key)
    t.same(await keysOf(storage, ''), keys)
  })
}
