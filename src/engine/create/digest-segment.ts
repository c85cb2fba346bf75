import { DIGEST_BYTES, writePageDigests } from '../../format/checksum.ts'
import type { PageReader } from '../pages/page-reader.ts'

/** Bytes of the image in one segment. */
export const SEGMENT_BYTES = 4 * 1024 * 1024

/** The digests of a block's pages, in memory of their own, so that they can be handed to another thread. */
export function digestsOf (block: Buffer, pageSize: number): Buffer {
  const digests = Buffer.allocUnsafeSlow(block.length / pageSize * DIGEST_BYTES)
  writePageDigests(block, pageSize, digests, 0)
  return digests
}

/** Reads and digests any segment of an image, all of them through one buffer. */
export function segmentDigester ({ read, pageSize, size }: { read: PageReader, pageSize: number, size: number }): (segment: number) => Buffer {
  const block = Buffer.allocUnsafeSlow(Math.min(SEGMENT_BYTES, size))
  return segment => {
    const offset = segment * SEGMENT_BYTES
    const raw = block.subarray(0, Math.min(SEGMENT_BYTES, size - offset))
    read(raw, offset)
    return digestsOf(raw, pageSize)
  }
}
