import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type { Manifest } from '../../src/format/manifest.ts'
import type { PackedFrame } from '../../src/format/pack-index.ts'
import { PageRuns, type PageMap } from '../../src/format/page-map.ts'

/** A copy of some bytes with one bit changed. */
export function flipBit (bytes: Uint8Array, bit: number): Buffer {
  const flipped = Buffer.from(bytes)
  const at = Math.floor(bit / 8) % flipped.length
  flipped[at] = (flipped[at] as number) ^ (1 << bit % 8)
  return flipped
}

/** What a decoder makes of some bytes, or the error it refuses them with; anything else thrown is passed on. */
export function attempt<T> (decode: () => T): { value: T } | { error: Error } {
  try {
    return { value: decode() }
  } catch (error) {
    if (!(error instanceof Error)) throw new TypeError(`not an Error was thrown: ${String(error)}`)
    return { error }
  }
}

export const anyFrames: fc.Arbitrary<PackedFrame[]> = fc.array(fc.record({
  offset: fc.maxSafeNat(),
  storedLength: fc.nat(0xffffffff),
  rawLength: fc.nat(0xffffffff),
  codec: fc.nat(255),
  sha256: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytes => Buffer.from(bytes))
}), { maxLength: 20 }).map(frames => frames.map((frame, number) => ({ number, ...frame })))

/** The manifest of a full snapshot of two pages. */
export function sampleManifest (change: Partial<Manifest> = {}): Manifest {
  const pack = randomUUID()
  return {
    formatVersion: 1,
    required: [],
    id: randomUUID(),
    source: { id: randomUUID(), host: 'host' },
    sequence: 7,
    parent: null,
    name: 'before-migration',
    database: 'app',
    trigger: 'manual',
    createdAt: '2026-11-22T10:00:00.000Z',
    completedAt: '2026-11-22T10:00:01.000Z',
    integrity: 'ok',
    image: { pageSize: 4096, pageCount: 2, size: 8192, checksum: 'a'.repeat(64), checksumAlgorithm: 'sha256' },
    sqlite: { version: '3.50.0', schemaHash: null, userVersion: -1, encoding: 'UTF-8', journalMode: 'wal' },
    packs: [{ id: pack, bytes: 900, keyId: null, wrappedKey: null }],
    map: { pack, offset: 500, storedLength: 100, rawLength: 200, sha256: 'b'.repeat(64), codec: 1 },
    ...change
  }
}

/** A map of an image of 4 pages of 512 bytes: two frames in two packs, three runs. */
export function sampleMap (): PageMap {
  const frame = { storedLength: 600, rawLength: 1024, codec: 1, sha256: Buffer.alloc(32, 5) }
  return {
    packs: [randomUUID(), randomUUID()],
    frames: [{ pack: 0, number: 3, offset: 0, ...frame }, { pack: 1, number: 0, offset: 2 ** 40, ...frame }],
    runs: PageRuns.of([
      { imagePage: 1, count: 1, frame: 0, framePage: 1 },
      { imagePage: 2, count: 2, frame: 1, framePage: 0 },
      { imagePage: 4, count: 1, frame: 0, framePage: 0 }
    ])
  }
}
