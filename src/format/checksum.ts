import { createHash, hash, type Hash } from 'node:crypto'

export const sha256 = (): Hash => createHash('sha256')

/** The sha256 of some bytes, in hexadecimal. */
export const sha256Hex = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** Bytes of one digest. */
export const DIGEST_BYTES = 32

/**
 * How the checksum of an image is made: `sha256` is that of the whole image, what `sha256sum` prints; `sha256-tree` the sha256
 * of the sha256 digests of its pages, one after the other, which can be made of pages in any order and of those known before.
 */
export type ChecksumAlgorithm = 'sha256' | 'sha256-tree'

/** Writes the digest of each page of a block where it belongs among the digests. */
export function writePageDigests (block: Buffer, pageSize: number, digests: Buffer, at: number): void {
  for (let offset = 0; offset < block.length; offset += pageSize, at += DIGEST_BYTES) {
    // As text it comes out of Node faster than as a Buffer.
    digests.write(hash('sha256', block.subarray(offset, offset + pageSize), 'binary'), at, DIGEST_BYTES, 'binary')
  }
}
