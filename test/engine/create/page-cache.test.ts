import fs, { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PageCache, PageCacheWriter, type PageCacheDescription } from '../../../src/engine/create/page-cache.ts'
import { testFolder } from '../../helpers/folder.ts'
import { flipBit, sampleManifest } from '../../helpers/format.ts'

const { image, sqlite, map } = sampleManifest()
const description: PageCacheDescription = { id: 'id', image: { ...image, pageCount: 3 }, sqlite, map, integrity: 'ok', packs: [], state: null }
const digests = Buffer.from(Array.from({ length: 3 * 32 }, (_, at) => at))
const rawMap = Buffer.from('a page map')

function writeCache (t: Test): string {
  const file = join(testFolder(t), 'pages')
  const writer = new PageCacheWriter(file)
  writer.addDigests(digests.subarray(0, 64))
  writer.addDigests(digests.subarray(64))
  writer.end(description, rawMap, writer.endDigests())
  return file
}

function readDigests (cache: PageCache): Buffer {
  return Buffer.concat([Buffer.from(cache.readDigests(Buffer.alloc(64), 0)), Buffer.from(cache.readDigests(Buffer.alloc(64), 2)), Buffer.from(cache.readDigests(Buffer.alloc(64), 4))])
}

t.test('a cache is read as it was written', async t => {
  const file = writeCache(t)
  t.same(PageCache.describe(file), description)
  const cache = PageCache.open(file)
  t.same(cache.description, description)
  t.ok(cache.rawMap.equals(rawMap))
  t.ok(readDigests(cache).equals(digests))
  t.ok(cache.areDigestsSound(3))
})

t.test('whichever bit of it is changed, it is not believed', async t => {
  const file = writeCache(t)
  const bytes = readFileSync(file)
  const isPadding = (at: number): boolean => (at >= 20 && at < 24) || (at >= 56 && at < 64)
  for (let at = 0; at < bytes.length; at++) {
    if (isPadding(at)) continue
    writeFileSync(file, flipBit(bytes, at * 8 + 3))
    t.notOk(isBelieved(file), `byte ${at}`)
  }
})

t.test('a part of it, or one that was never ended, is not believed', async t => {
  const file = writeCache(t)
  for (let length = readFileSync(file).length - 1; length >= 0; length -= 7) {
    truncateSync(file, length)
    t.notOk(isBelieved(file))
    t.throws(() => PageCache.describe(file))
  }
  new PageCacheWriter(file).close()
  t.notOk(isBelieved(file))
})

t.test('where the disk takes no more there is no cache, and no error', async t => {
  const file = join(testFolder(t), 'pages')
  const full = (): never => { throw Object.assign(new Error('no space left'), { code: 'ENOSPC' }) }
  const mocked = await t.mockImport<typeof import('../../../src/engine/create/page-cache.ts')>('../../../src/engine/create/page-cache.ts', { 'node:fs': { ...fs, writeSync: full } })
  const writer = new mocked.PageCacheWriter(file)
  writer.addDigests(digests)
  t.notOk(fs.existsSync(file))
  writer.addDigests(digests)
  writer.end(description, rawMap, writer.endDigests())
  t.notOk(fs.existsSync(file))
})

function isBelieved (file: string): boolean {
  try {
    const cache = PageCache.open(file)
    readDigests(cache)
    return cache.areDigestsSound(3)
  } catch {
    return false
  }
}
