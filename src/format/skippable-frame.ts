/*
 * Skippable frames carry what is not image data: decoders must ignore them (RFC 8878, section 3.1.2), so `zstd -d` of a
 * full pack prints the plain database image.
 */

/** Bytes in front of the payload: a magic number and the payload's length. */
export const SKIPPABLE_HEADER_BYTES = 8

/** The two of the sixteen skippable magic numbers in use here. */
export const MAP_MAGIC = 0x184D2A5D
export const INDEX_MAGIC = 0x184D2A5E

export function skippableFrame (magic: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(SKIPPABLE_HEADER_BYTES)
  header.writeUInt32LE(magic, 0)
  header.writeUInt32LE(payload.length, 4)
  return Buffer.concat([header, payload])
}
