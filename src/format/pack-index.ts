import { createHash } from 'node:crypto'
import { INDEX_MAGIC, SKIPPABLE_HEADER_BYTES, skippableFrame } from './skippable-frame.ts'

/** One compressed frame as it stands in a pack. */
export interface PackedFrame {
  /** Position among the pack's frames, from 0. */
  number: number
  /** First byte in the pack. */
  offset: number
  /** Compressed bytes. */
  storedLength: number
  /** Bytes after decompression. */
  rawLength: number
  codec: number
  /** Digest of the stored bytes. */
  sha256: Buffer
}

const MAGIC = 0x49505346 // "FSPI"
const VERSION = 1
const HEADER_BYTES = 12
const ENTRY_BYTES = 49
/** The very last bytes of a pack, which say how far back its index begins. */
export const TRAILER_BYTES = 40

/** Bytes one frame takes in an index or a map: offset, lengths, codec and digest. */
export const FRAME_ENTRY_BYTES = ENTRY_BYTES

export function writeFrameEntry (target: Buffer, at: number, frame: PackedFrame): void {
  target.writeBigUInt64LE(BigInt(frame.offset), at)
  target.writeUInt32LE(frame.storedLength, at + 8)
  target.writeUInt32LE(frame.rawLength, at + 12)
  target.writeUInt8(frame.codec, at + 16)
  frame.sha256.copy(target, at + 17)
}

export function readFrameEntry (source: Buffer, at: number, number: number): PackedFrame {
  return {
    number,
    offset: Number(source.readBigUInt64LE(at)),
    storedLength: source.readUInt32LE(at + 8),
    rawLength: source.readUInt32LE(at + 12),
    codec: source.readUInt8(at + 16),
    sha256: Buffer.from(source.subarray(at + 17, at + ENTRY_BYTES))
  }
}

/**
 * The end of a pack: which frames stand in it, as a skippable zstd frame. Its own digest, length and magic number come
 * last, so it is found from the end of a pack without a manifest.
 */
export function encodePackIndex (frames: readonly PackedFrame[]): Buffer {
  const payload = Buffer.alloc(HEADER_BYTES + frames.length * ENTRY_BYTES + TRAILER_BYTES)
  payload.writeUInt32LE(MAGIC, 0)
  payload.writeUInt32LE(VERSION, 4)
  payload.writeUInt32LE(frames.length, 8)
  frames.forEach((frame, index) => { writeFrameEntry(payload, HEADER_BYTES + index * ENTRY_BYTES, frame) })
  const end = payload.length - TRAILER_BYTES
  createHash('sha256').update(payload.subarray(0, end)).digest().copy(payload, end)
  payload.writeUInt32LE(payload.length, end + 32)
  payload.writeUInt32LE(MAGIC, end + 36)
  return skippableFrame(INDEX_MAGIC, payload)
}

/**
 * How many of a pack's last bytes its index takes.
 * @param tail ends as the pack does
 * @throws Error if the pack has no index
 */
export function packIndexBytes (tail: Buffer): number {
  if (tail.length < TRAILER_BYTES || tail.readUInt32LE(tail.length - 4) !== MAGIC) throw new Error('the pack has no index')
  return tail.readUInt32LE(tail.length - 8) + SKIPPABLE_HEADER_BYTES
}

/**
 * Reads the index from the last bytes of a pack.
 * @throws Error if the bytes do not end in a sound index.
 */
export function decodePackIndex (tail: Buffer): PackedFrame[] {
  const length = packIndexBytes(tail)
  if (length > tail.length) throw new Error(`the pack's index needs its last ${length} bytes`)
  const payload = tail.subarray(tail.length - length + SKIPPABLE_HEADER_BYTES)
  const end = payload.length - TRAILER_BYTES
  const digest = createHash('sha256').update(payload.subarray(0, Math.max(end, 0))).digest()
  if (end < HEADER_BYTES || !digest.equals(payload.subarray(end, end + 32))) throw new Error("the pack's index is damaged")
  if (payload.readUInt32LE(4) !== VERSION) throw new Error(`the pack's index has version ${payload.readUInt32LE(4)}; update fastify-sqlite-snapshots`)
  return Array.from({ length: payload.readUInt32LE(8) }, (_, number) => readFrameEntry(payload, HEADER_BYTES + number * ENTRY_BYTES, number))
}
