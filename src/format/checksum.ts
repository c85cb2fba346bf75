import { createHash, type Hash } from 'node:crypto'

export const sha256 = (): Hash => createHash('sha256')

/** The sha256 of some bytes, in hexadecimal. */
export const sha256Hex = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')
