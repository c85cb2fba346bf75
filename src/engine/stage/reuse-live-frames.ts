import { webcrypto } from 'node:crypto'
import { compressFrame, release } from '../../format/frame.ts'
import type { PageMap } from '../../format/page-map.ts'
import type { RunsByFrame } from '../../format/runs-by-frame.ts'
import { pinPages, type PageSource } from '../pages/page-source.ts'
import { openTarget, type Target } from '../target-database.ts'

/** The application's database, and the zstd level that its snapshots are made with. */
export interface LiveDatabase { target: Target, level: number }

/** Frames that are compared at the same time, each on a thread of its own. */
const FRAMES_AT_ONCE = 4

/**
 * Finds the frames whose pages the live database has just so: what they compress to has the length and the digest of what is
 * stored. They are handed over while the read transaction lasts, which does not wait for the others to come from afar.
 * Whatever goes wrong only means that more frames have to be fetched.
 * @returns the positions of those that were found
 */
export async function reuseLiveFrames ({ target, level }: LiveDatabase, { frames }: PageMap, runs: RunsByFrame, pageSize: number, place: (frame: number, raw: Buffer) => Promise<void>): Promise<Set<number>> {
  const reused = new Set<number>()
  try {
    const database = openTarget(target)
    try {
      const pages = pinPages(database)
      if (pages.pageSize !== pageSize) return reused
      const reuse = async (index: number): Promise<void> => {
        const { rawLength, storedLength, sha256 } = frames[index] as PageMap['frames'][number]
        const raw = readLike(runs, index, rawLength, pages)
        if (raw === null) return
        const stored = await compressFrame(raw, level)
        const isSame = stored.length === storedLength && sha256.equals(Buffer.from(await webcrypto.subtle.digest('SHA-256', stored)))
        release(stored)
        if (!isSame) return
        await place(index, raw)
        reused.add(index)
      }
      let isSound = true
      for (let next = 0; isSound && next < frames.length; next += FRAMES_AT_ONCE) {
        const together = Array.from({ length: Math.min(FRAMES_AT_ONCE, frames.length - next) }, async (_, index) => { await reuse(next + index) })
        isSound = (await Promise.allSettled(together)).every(({ status }) => status === 'fulfilled')
      }
    } finally {
      database.close()
    }
  } catch {} // the frames that are missing are fetched, and what is wrong with this machine shows then
  return reused
}

/** A frame as the live database would fill it; null where the frame has pages that the image does not say of what. */
function readLike (runs: RunsByFrame, index: number, rawLength: number, { pageSize, pageCount, read }: PageSource): Buffer | null {
  const known = new Set<number>()
  const raw = Buffer.allocUnsafeSlow(rawLength)
  for (const { imagePage, count, framePage } of runs.of(index)) {
    if (imagePage + count - 1 > pageCount) return null
    read(raw.subarray(framePage * pageSize, (framePage + count) * pageSize), (imagePage - 1) * pageSize)
    for (let page = framePage; page < framePage + count; page++) known.add(page)
  }
  return known.size * pageSize === rawLength ? raw : null
}
