import { rmSync } from 'node:fs'
import type { ChecksumAlgorithm } from '../../format/checksum.ts'
import type { Manifest } from '../../format/manifest.ts'
import { encodePageMap, type PageMap } from '../../format/page-map.ts'
import { findChanged, isWorthSharing, numbersOf, packChanged, type FoundChanges } from './changed-pages.ts'
import { mapOfWhole, packWhole } from './full-image.ts'
import { PackWriter } from './pack-writer.ts'
import { PageCacheWriter, type CachedPack, type PageCacheDescription } from './page-cache.ts'
import type { PageSource } from '../pages/page-source.ts'
import { PageTable } from './page-table.ts'
import type { ParentImage } from './parent-image.ts'
import { step } from '../../step.ts'

export interface WriteImageInput {
  /** Where the pack is written to. */
  packFile: string
  packId: string
  /** zstd level. */
  level: number
  /** Where what the next snapshot can share with this one is written to. */
  nextCache: string
}

/** What is told of an image besides its pages. */
export type Facts = Pick<PageCacheDescription, 'sqlite' | 'integrity'>

/** What there is once the pack is written. */
export type WrittenImage = Pick<Manifest, 'image' | 'map' | 'parent'> & Facts & { packs: CachedPack[], packBytes: number }

/** The pages are in a pack that is not ended yet, or were stored before. */
interface WrittenPages {
  checksum: string
  checksumAlgorithm: ChecksumAlgorithm
  map: PageMap
  /** By pack, how many of its bytes the image needs. */
  liveBytes: Map<string, number>
  digestsSha256: string
  parent: ParentImage | null
}

/**
 * Writes what of an image is not stored yet into a pack, durably, and what the next snapshot can share with it into a cache.
 * @param inspect asks the database itself; within its transaction, beside the threads that read its pages
 * @param onRead the transaction need not last any longer
 */
export async function writeImage (input: WriteImageInput, pages: PageSource, parent: ParentImage | null, inspect: () => Facts, onRead: () => void): Promise<WrittenImage> {
  const { packFile, packId, level, nextCache } = input
  rmSync(packFile, { force: true }) // what was begun before the database turned out not to be readable directly
  const pack = await PackWriter.create(packFile, level)
  step('create: pack begun')
  const cache = new PageCacheWriter(nextCache)
  try {
    const finding = parent === null ? Promise.resolve(null) : findChanged(pages, parent, cache)
    finding.catch(() => {}) // the inspection may end everything first
    const facts = inspect()
    const found = await finding
    const written = found !== null && isBetterShared(found, pages) ? await writeChanged(pages, found, pack, packId) : await writeWhole(pages, found, pack, packId, cache)
    step('create: pages packed')
    onRead()
    return { ...facts, ...await end(input, pages, pack, cache, written, facts) }
  } finally {
    cache.close()
    await pack.close()
  }
}

const isBetterShared = (found: FoundChanges, { pageCount }: PageSource): boolean => isWorthSharing(found, pageCount, found.parent.map.runs.length)

/** @param found has made the digests of the pages; null where that is still to be done */
async function writeWhole (pages: PageSource, found: FoundChanges | null, pack: PackWriter, packId: string, cache: PageCacheWriter): Promise<WrittenPages> {
  const checksum = await packWhole(pages, pack, found === null ? cache : null)
  const digestsSha256 = found === null ? cache.endDigests() : found.checksum
  const stored = pack.frames.reduce((sum, { storedLength }) => sum + storedLength, 0)
  return { checksum, checksumAlgorithm: 'sha256', map: mapOfWhole(pages, packId, pack), liveBytes: new Map([[packId, stored]]), digestsSha256, parent: null }
}

async function writeChanged (pages: PageSource, { parent, changed, checksum }: FoundChanges, pack: PackWriter, packId: string): Promise<WrittenPages> {
  const table = new PageTable(pages.pageCount, parent.map)
  await packChanged(pages, changed, pack)
  table.move(numbersOf(changed), packId, pack.frames, pages.pageSize)
  return { checksum, checksumAlgorithm: 'sha256-tree', ...table.toMap(pages.pageSize), digestsSha256: checksum, parent }
}

async function end ({ packId }: WriteImageInput, { pageSize, pageCount, state }: PageSource, pack: PackWriter, cache: PageCacheWriter, written: WrittenPages, facts: Facts): Promise<Omit<WrittenImage, keyof Facts>> {
  const { checksum, checksumAlgorithm, parent, digestsSha256, liveBytes } = written
  const rawMap = encodePageMap(written.map)
  const { map, packBytes } = await pack.end(packId, rawMap)
  const image = { pageSize, pageCount, size: pageSize * pageCount, checksum, checksumAlgorithm }
  const own: CachedPack = { id: packId, bytes: packBytes, storedAt: new Date().toISOString(), liveBytes: 0 }
  const packs = [...parent === null ? [] : parent.description.packs, own]
    .filter(({ id }) => liveBytes.has(id) || id === packId)
    .map(known => ({ ...known, liveBytes: Math.round(liveBytes.get(known.id) ?? 0) }))
  cache.end({ ...facts, id: packId, image, map, packs, state }, rawMap, digestsSha256)
  step('create: pack complete')
  return { image, map, parent: parent && parent.description.id, packs, packBytes }
}
