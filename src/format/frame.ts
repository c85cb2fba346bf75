import { promisify } from 'node:util'
import zlib from 'node:zlib'

/** Bytes of the database image in one frame; the last frame of an image may hold fewer. */
export const FRAME_BYTES = 1024 * 1024

/** No reader accepts a frame that claims to be larger than this, so a damaged length cannot exhaust memory. */
export const MAXIMUM_FRAME_BYTES = 64 * 1024 * 1024

/** How a frame's bytes are coded. */
export const CODEC_ZSTD = 1
export const CODECS: ReadonlySet<number> = new Set([CODEC_ZSTD])

const zstdDecompress = promisify(zlib.zstdDecompress)

/** Room for the whole outcome: Node goes back and forth between threads for every chunk, by default for each 16 KiB. */
const chunkFor = (bytes: number): number => Math.min(bytes + 1024, 4 * FRAME_BYTES)

/** As much as a frame looks back; the default of level 1 is half of that, and slower. */
const WINDOW_LOG = Math.log2(FRAME_BYTES)

/**
 * Compresses one frame; its zstd content checksum lets `zstd -d` verify it without this package. The outcome can be given to
 * {@link release}.
 */
export async function compressFrame (raw: Uint8Array, level: number): Promise<Buffer> {
  const stream = zlib.createZstdCompress({
    chunkSize: chunkFor(raw.length + (raw.length >> 7)),
    params: { [zlib.constants.ZSTD_c_compressionLevel]: level, [zlib.constants.ZSTD_c_checksumFlag]: 1, [zlib.constants.ZSTD_c_windowLog]: WINDOW_LOG }
  })
  const pieces: Buffer[] = []
  for await (const piece of stream.end(raw) as AsyncIterable<Buffer>) pieces.push(piece)
  const stored = Buffer.concat(pieces)
  pieces.forEach(release)
  return stored
}

/**
 * Frees the memory of a frame that nobody needs any more, with everything that is in the same memory. Node would do so with the
 * next collection of garbage, and does not count memory outside of its heap as a reason for one until there is very much.
 */
export function release ({ buffer }: Buffer): void {
  if (buffer.byteLength > Buffer.poolSize) (buffer as ArrayBuffer).transfer(0) // what is smaller may be in Node's own pool
}

/** Decompresses one frame on a thread of its own. @throws unless exactly `rawLength` bytes come out */
export async function decompressFrame (stored: Uint8Array, rawLength: number): Promise<Buffer> {
  const raw = await zstdDecompress(stored, { maxOutputLength: rawLength, chunkSize: chunkFor(rawLength) })
  if (raw.length !== rawLength) throw new Error(`a frame holds ${raw.length} bytes instead of ${rawLength}`)
  return raw
}
