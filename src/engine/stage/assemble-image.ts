import { webcrypto } from 'node:crypto'
import { decompressFrame, release } from '../../format/frame.ts'
import type { MappedFrame, PageMap } from '../../format/page-map.ts'
import type { RunsByFrame } from '../../format/runs-by-frame.ts'
import type { ImageChecksum } from './image-checksum.ts'
import { asDamage } from './snapshot-damage.ts'
import type { NewFile } from '../new-file.ts'
import type { PackSource } from './pack-source.ts'

/** Where pages come to. */
export interface Placement {
  runs: RunsByFrame
  pageSize: number
  /** Gets every page; null for one that is made later. */
  checksum: ImageChecksum | null
  /** Gets every page; null for nothing. */
  target: NewFile | null
}

export interface Assembly extends Placement {
  pageMap: PageMap
  /** Positions of the frames to fetch, in this order. */
  wanted: number[]
}

/** Brings the pages of a frame to their places in the image. */
export async function placeFrame ({ runs, pageSize, checksum, target }: Placement, frame: number, raw: Buffer): Promise<void> {
  for (const { imagePage, count, framePage } of runs.of(frame)) {
    const pages = raw.subarray(framePage * pageSize, (framePage + count) * pageSize)
    const written = target?.write(pages, (imagePage - 1) * pageSize)
    checksum?.add(pages, imagePage)
    await written
  }
}

/** Frames in memory at the same time. */
const FRAMES_AHEAD = 4

/**
 * Fetches frames and brings their pages to their places. They are fetched and decompressed ahead, each on a thread of its own,
 * while the ones before them are hashed and written.
 * @throws FST_SNAPSHOT_DAMAGED for a frame that is not what was stored
 */
export async function assembleImage (assembly: Assembly, source: PackSource): Promise<void> {
  const { pageMap: { packs, frames }, wanted } = assembly
  const ahead: Array<{ index: number, raw: Promise<Buffer> }> = []
  const placeOldest = async (): Promise<void> => {
    const { index, raw } = ahead.shift() as { index: number, raw: Promise<Buffer> }
    const frame = await raw
    await placeFrame(assembly, index, frame)
    release(frame)
  }
  try {
    for (const index of wanted) {
      const frame = frames[index] as MappedFrame
      const pack = packs[frame.pack] as string
      const raw = asDamage(pack, async () => await loadFrame(pack, frame, source))
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
  const raw = await decompressFrame(stored, rawLength)
  source.takeBack(stored)
  return raw
}
