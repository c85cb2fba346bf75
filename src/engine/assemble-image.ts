import { webcrypto } from 'node:crypto'
import { decompressFrame } from '../format/frame.ts'
import type { MappedFrame, PageMap } from '../format/page-map.ts'
import type { RunsByFrame } from '../format/runs-by-frame.ts'
import type { ImageChecksum } from './image-checksum.ts'
import type { ImageFile } from './image-file.ts'
import { asDamage } from './snapshot-damage.ts'
import type { PackSource } from './pack-source.ts'

export interface Assembly {
  pageMap: PageMap
  runs: RunsByFrame
  pageSize: number
  /** Gets every page, in the order of the frames. */
  checksum: ImageChecksum
  /** Where the pages go; null for nowhere. */
  target: ImageFile | null
}

/** Frames in memory at the same time. */
const FRAMES_AHEAD = 4

/**
 * Brings the pages of all frames to their places in the image. Frames are fetched and decompressed ahead, each on a thread
 * of its own, while the ones before them are hashed and written.
 * @throws FST_SNAPSHOT_DAMAGED for a frame that is not what was stored
 */
export async function assembleImage ({ pageMap: { packs, frames }, runs, pageSize, checksum, target }: Assembly, source: PackSource): Promise<void> {
  const ahead: Array<{ index: number, raw: Promise<Buffer> }> = []
  const placeOldest = async (): Promise<void> => {
    const { index, raw } = ahead.shift() as { index: number, raw: Promise<Buffer> }
    const bytes = await raw
    for (const { imagePage, count, framePage } of runs.of(index)) {
      const pages = bytes.subarray(framePage * pageSize, (framePage + count) * pageSize)
      const written = target?.write(pages, (imagePage - 1) * pageSize)
      checksum.add(pages, imagePage)
      await written
    }
  }
  try {
    for (const [index, frame] of frames.entries()) {
      if (!runs.isUsed(index)) continue
      const raw = asDamage(async () => await loadFrame(packs[frame.pack] as string, frame, source))
      raw.catch(() => {}) // thrown when its turn comes
      ahead.push({ index, raw })
      if (ahead.length >= FRAMES_AHEAD) await placeOldest()
    }
    while (ahead.length > 0) await placeOldest()
  } finally {
    await Promise.allSettled(ahead.map(async ({ raw }) => await raw))
  }
}

async function loadFrame (pack: string, { number, offset, storedLength, rawLength, sha256 }: MappedFrame, source: PackSource): Promise<Buffer> {
  const stored = await source.read({ pack, offset, length: storedLength })
  const digest = await webcrypto.subtle.digest('SHA-256', stored) // unlike createHash on a thread of its own
  if (!sha256.equals(Buffer.from(digest))) throw new Error(`frame ${number} of pack ${pack} does not match its checksum`)
  return await decompressFrame(stored, rawLength)
}
