import { readSync, readvSync } from 'node:fs'
import { NotDirectlyReadable, pagesOfFrames } from './wal-index.ts'

/** Fills a block, whose offset and length are multiples of the page size, with a database's bytes. */
export type PageReader = (block: Buffer, offset: number) => void

/** The files of a database as descriptors. */
export interface PageFiles {
  file: number
  pageSize: number
  /** The pages to take from the write-ahead log; null for none. */
  log: { descriptor: number, salts: Buffer, frames: Uint32Array } | null
}

const WAL_HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const FRAME_SALTS_AT = 8
/** SQLite keeps locks on the page that has this byte, and never any content (https://sqlite.org/fileformat2.html#the_lock_byte_page). */
export const LOCK_BYTE = 0x40000000

/** Reads a database's files past SQLite. What the file is too short for is zeros, as SQLite has it. */
export function pageReader ({ file, pageSize, log }: PageFiles): PageReader {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  const readFrame = (page: Buffer, number: number, frame: number, { descriptor, salts }: NonNullable<PageFiles['log']>): void => {
    const got = readvSync(descriptor, [header, page], WAL_HEADER_BYTES + (frame - 1) * (FRAME_HEADER_BYTES + pageSize))
    const isTheOne = got === FRAME_HEADER_BYTES + pageSize && header.readUInt32BE(0) === number && header.subarray(FRAME_SALTS_AT, FRAME_SALTS_AT + salts.length).equals(salts)
    if (!isTheOne) throw new NotDirectlyReadable(`frame ${frame} of its write-ahead log is not the one its index describes`)
  }
  return (block, offset) => {
    block.fill(0, readSync(file, block, 0, block.length, offset))
    if (log !== null) {
      const first = offset / pageSize + 1
      for (let at = 0; at < block.length; at += pageSize) {
        const number = first + at / pageSize
        const frame = log.frames[number]
        if (frame !== undefined && frame > 0) readFrame(block.subarray(at, at + pageSize), number, frame, log)
      }
    }
    if (offset <= LOCK_BYTE && LOCK_BYTE < offset + block.length) block.fill(0, LOCK_BYTE - offset, LOCK_BYTE - offset + pageSize)
  }
}

/** The last of the first frames that holds each page, from 1; 0 for a page that none holds. */
export function framesByPage (index: number, frames: number, pageCount: number): Uint32Array {
  const byPage = new Uint32Array(pageCount + 1)
  pagesOfFrames(index, frames).forEach((page, position) => { byPage[page] = position + 1 })
  return byPage
}

/** Some bytes of a file; zeros where it ends. */
export function readFully (descriptor: number, length: number, position: number): Buffer {
  const bytes = Buffer.alloc(length)
  readSync(descriptor, bytes, 0, length, position)
  return bytes
}
