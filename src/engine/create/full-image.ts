import { DIGEST_BYTES, sha256, writePageDigests } from '../../format/checksum.ts'
import { FRAME_BYTES } from '../../format/frame.ts'
import { PageRuns, type PageMap } from '../../format/page-map.ts'
import type { PackWriter } from './pack-writer.ts'
import type { PageCacheWriter } from './page-cache.ts'
import type { PageSource } from '../pages/page-source.ts'

/** Stores a whole image in its order, so that the pack is a plain zstd stream of it. @returns the sha256 of the image */
export async function packWhole ({ pageSize, pageCount, read }: PageSource, pack: PackWriter, cache: PageCacheWriter): Promise<string> {
  const checksum = sha256()
  const size = pageSize * pageCount
  const digests = Buffer.alloc(FRAME_BYTES / pageSize * DIGEST_BYTES)
  for (let position = 0; position < size; position += FRAME_BYTES) {
    const buffer = pack.takeBuffer()
    const raw = buffer.subarray(0, Math.min(FRAME_BYTES, size - position))
    read(raw, position)
    const added = pack.addFrame(buffer, raw.length)
    // While it is compressed:
    checksum.update(raw)
    writePageDigests(raw, pageSize, digests, 0)
    cache.addDigests(digests.subarray(0, raw.length / pageSize * DIGEST_BYTES))
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
