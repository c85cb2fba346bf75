import { DIGEST_BYTES } from '../../format/checksum.ts'
import { FRAME_BYTES } from '../../format/frame.ts'
import type { MappedFrame } from '../../format/page-map.ts'
import { digestPages } from './digest-pages.ts'
import { SEGMENT_BYTES } from './digest-segment.ts'
import type { PackWriter } from './pack-writer.ts'
import type { PageCacheWriter } from './page-cache.ts'
import type { PageSource } from '../pages/page-source.ts'
import type { ParentImage } from './parent-image.ts'

/** By page, from 0: whether it is to be stored. */
export type Changed = Uint8Array

export interface FoundChanges {
  parent: ParentImage
  changed: Changed
  count: number
  /** The image's, as `sha256-tree`. */
  checksum: string
}

/** As many as the digests of a segment, however small the pages, may be. */
const DIGESTS_AT_ONCE = SEGMENT_BYTES / 512

/**
 * Makes the digests of all pages for the next snapshot, and compares them with those of the last one; a page that is not
 * stored in a usable pack counts as changed. Without a sound cache all pages are.
 */
export async function findChanged (pages: PageSource, parent: ParentImage, next: PageCacheWriter): Promise<FoundChanges> {
  const changed = new Uint8Array(pages.pageCount).fill(1)
  for (const { imagePage, count, frame } of parent.map.runs) {
    if (parent.isUsable(parent.map.packs[(parent.map.frames[frame] as MappedFrame).pack] as string)) changed.fill(0, imagePage - 1, imagePage - 1 + count)
  }
  const known = Buffer.alloc(DIGESTS_AT_ONCE * DIGEST_BYTES)
  let first = 0
  for await (const digests of digestPages(pages)) {
    const before = parent.cache.readDigests(known.subarray(0, digests.length), first)
    for (let at = 0, page = first; at < digests.length; at += DIGEST_BYTES, page++) {
      const isSame = at < before.length && digests.compare(before, at, at + DIGEST_BYTES, at, at + DIGEST_BYTES) === 0
      if (!isSame) changed[page] = 1
    }
    next.addDigests(digests)
    first += digests.length / DIGEST_BYTES
  }
  if (!parent.cache.areDigestsSound(first)) changed.fill(1)
  return { parent, changed, count: changed.reduce((sum, is) => sum + is, 0), checksum: next.endDigests() }
}

/** Stores the changed pages in full frames, however scattered they are. */
export async function packChanged ({ pageSize, read }: PageSource, changed: Changed, pack: PackWriter): Promise<void> {
  let [buffer, filled] = [pack.takeBuffer(), 0]
  for (let page = changed.indexOf(1); page !== -1;) {
    const end = endOfRun(changed, page, page + (FRAME_BYTES - filled) / pageSize)
    const bytes = (end - page) * pageSize
    read(buffer.subarray(filled, filled + bytes), page * pageSize)
    filled += bytes
    page = changed.indexOf(1, end)
    if (filled < FRAME_BYTES && page !== -1) continue
    await pack.addFrame(buffer, filled)
    ;[buffer, filled] = [pack.takeBuffer(), 0]
  }
  await pack.flush()
}

function endOfRun (changed: Changed, first: number, most: number): number {
  let end = first + 1
  while (end < most && changed[end] === 1) end++
  return end
}

/** A snapshot that would have to store more than this part of the pages becomes a full one: that is read faster. */
const MOST_CHANGED = 0.5
/** So does one whose map would have more runs: 128 MiB of them, which a reader must take into memory. */
const MOST_RUNS = 8 * 1024 * 1024

/** Whether storing the changed pages alone is better than storing everything. */
export function isWorthSharing ({ count }: Pick<FoundChanges, 'count'>, pageCount: number, parentRuns: number): boolean {
  return count <= pageCount * MOST_CHANGED && parentRuns + 2 * count <= MOST_RUNS
}

/** The numbers of the changed pages, from 1, in the order in which they are stored. */
export function * numbersOf (changed: Changed): Generator<number> {
  for (let page = changed.indexOf(1); page !== -1; page = changed.indexOf(1, page + 1)) yield page + 1
}
