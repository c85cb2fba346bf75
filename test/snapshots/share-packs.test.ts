import t from 'tap'
import { packsWorthSharing } from '../../src/snapshots/share-packs.ts'
import type { CachedPack } from '../../src/engine/create/page-cache.ts'

const HOUR = 3_600_000
const pack = (id: string, change: Partial<CachedPack> = {}): CachedPack => ({ id, bytes: 100, liveBytes: 90, storedAt: new Date(Date.now() - HOUR).toISOString(), ...change })
const idsOf = (packs: CachedPack[]): string => packsWorthSharing(packs, 24 * HOUR).map(({ id }) => id).join()

t.test('young packs that are mostly in use are shared', async t => {
  t.equal(idsOf([pack('full', { bytes: 1000, liveBytes: 800 }), pack('a'), pack('b', { liveBytes: 20 })]), 'full,a,b')
})

t.test('without packs there is nothing to share', async t => {
  t.equal(idsOf([]), '')
})

t.test('where one is too old, or from the future, none is', async t => {
  t.equal(idsOf([pack('full', { storedAt: new Date(Date.now() - 25 * HOUR).toISOString() }), pack('a')]), '')
  t.equal(idsOf([pack('full', { storedAt: new Date(Date.now() + HOUR).toISOString() })]), '')
  t.equal(idsOf([pack('full', { storedAt: 'no time' })]), '')
})

t.test('where the largest is mostly dead, none is', async t => {
  t.equal(idsOf([pack('full', { bytes: 1000, liveBytes: 499 }), pack('a', { bytes: 400, liveBytes: 400 })]), '')
  t.equal(idsOf([pack('full', { bytes: 1000, liveBytes: 500 }), pack('a', { bytes: 400, liveBytes: 400 })]), 'full,a')
})

t.test('where most of them all is dead, or there are very many, only the largest is', async t => {
  const small = Array.from({ length: 30 }, (_, index) => pack(String(index), { liveBytes: 10 }))
  t.equal(idsOf([...small, pack('full', { bytes: 1000, liveBytes: 900 })]), 'full')
  const many = Array.from({ length: 32 }, (_, index) => pack(String(index)))
  t.equal(idsOf([pack('full', { bytes: 1000, liveBytes: 900 }), ...many]), 'full')
  t.equal(idsOf([pack('full', { bytes: 1000, liveBytes: 900 }), ...many.slice(1)]).split(',').length, 32)
})
