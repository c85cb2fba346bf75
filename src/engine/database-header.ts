import { closeSync, openSync, readSync } from 'node:fs'

/** Bytes at the start of every database file. */
export const HEADER_BYTES = 100

const ENCODINGS: Record<number, string> = { 1: 'UTF-8', 2: 'UTF-16le', 3: 'UTF-16be' }

/** What a database says of itself in its first bytes, which can be read even where its schema is damaged. */
export interface DatabaseHeader {
  pageSize: number
  isWal: boolean
  /** Changes with every change of the schema and with every restore. */
  schemaCookie: number
  /** Pages that hold nothing any more. */
  freePages: number
  encoding: string
  userVersion: number
}

/** Reads a header (https://sqlite.org/fileformat2.html#the_database_header); an empty file's is all zeros. */
export function parseHeader (bytes: Buffer): DatabaseHeader {
  const pageSize = bytes.readUInt16BE(16)
  return {
    pageSize: pageSize === 1 ? 65536 : pageSize,
    isWal: bytes.readUInt8(18) === 2,
    freePages: bytes.readUInt32BE(36),
    schemaCookie: bytes.readUInt32BE(40),
    encoding: ENCODINGS[bytes.readUInt32BE(56)] ?? 'UTF-8',
    userVersion: bytes.readInt32BE(60)
  }
}

/** Reads the header of a file that this process has no SQLite connection to: closing the descriptor would drop its locks. */
export function readHeader (path: string): DatabaseHeader {
  const bytes = Buffer.alloc(HEADER_BYTES)
  const descriptor = openSync(path, 'r')
  readSync(descriptor, bytes, 0, bytes.length, 0)
  closeSync(descriptor)
  return parseHeader(bytes)
}
