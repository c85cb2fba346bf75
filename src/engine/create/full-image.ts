import { sha256 } from '../../format/checksum.ts'
import { FRAME_BYTES } from '../../format/frame.ts'
import { PageRuns, type PageMap } from '../../format/page-map.ts'
import { digestsOf } from './digest-segment.ts'
import type { PackWriter } from './pack-writer.ts'
import type { PageCacheWriter } from './page-cache.ts'
import type { PageSource } from '../pages/page-source.ts'

/**
 * Stores a whole image in its order, so that the pack is a plain zstd stream of it.
 * @param next takes the digests of the pages; null where it has them
 * @returns the sha256 of the image
 */
export async function packWhole ({ pageSize, pageCount, read }: PageSource, pack: PackWriter, next: PageCacheWriter | null): Promise<string> {
  const checksum = sha256()
  const size = pageSize * pageCount
  for (let position = 0; position < size; position += FRAME_BYTES) {
    const buffer = pack.takeBuffer()
    const raw = buffer.subarray(0, Math.min(FRAME_BYTES, size - position))
    read(raw, position)
    const added = pack.addFrame(buffer, raw.length)
    // While it is compressed:
    checksum.update(raw)
    next?.addDigests(digestsOf(raw, pageSize))
    await added
  }
  await pack.flush()
  return checksum.digest('hex')
}

/** The map of such a pack. */
export function mapOfWhole ({ pageSize }: PageSource, packId: string, { frames }: PackWriter): PageMap {
  return {
    packs: [packId],
    frames: frames.map(frame => ({ ...frame, pack: 0 })),
    runs: PageRuns.of(frames.map((frame, index) => ({ imagePage: index * FRAME_BYTES / pageSize + 1, count: frame.rawLength / pageSize, frame: index, framePage: 0 })))
  }
}
