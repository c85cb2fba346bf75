import { readSync } from 'node:fs'

/*
 * The index of a write-ahead log, which SQLite keeps in shared memory, the -shm file: how many frames are committed, which
 * page each of them holds, and how many are in the database file already, all in the machine's byte order
 * (https://sqlite.org/walformat.html#the_wal_index_file_format). It is what SQLite itself goes by, so a frame that a killed
 * writer had not committed, or one that is left from before the log was restarted, is not in it.
 */

/** What makes a database impossible to read past SQLite. */
export class NotDirectlyReadable extends Error {}

/** Where the log's own header has the salts. */
export const WAL_SALTS_AT = 16

const TRIES = 1000
const VERSION = 3007000
const HEADER_BYTES = 48
const HEADER_WORDS = HEADER_BYTES / 4
const CHECKSUM_AT = 10
const CHECKPOINTED_AT = 2 * HEADER_WORDS
const WORDS_READ = CHECKPOINTED_AT + 1
const REGION_BYTES = 32 * 1024
const PAGES_IN_REGION = 4096
/** In the first region the headers take the place of some page numbers. */
const FIRST_PAGES_AT = 136

export interface WalIndexHeader {
  /** The whole header; it differs after every commit. */
  bytes: Buffer
  pageSize: number
  /** Committed frames. */
  frames: number
  /** Pages of the database after the last committed transaction. */
  pageCount: number
  /** They differ after every restart of the log, whose header has the same. */
  salts: Buffer
  /** Frames whose pages the database file has. */
  checkpointed: number
}

/** Null while another process writes it. */
export function readWalIndexHeader (sharedMemory: number): WalIndexHeader | null {
  const words = new Uint32Array(WORDS_READ)
  const bytes = Buffer.from(words.buffer)
  readSync(sharedMemory, bytes, 0, bytes.length, 0)
  const [first, second] = [bytes.subarray(0, HEADER_BYTES), bytes.subarray(HEADER_BYTES, 2 * HEADER_BYTES)]
  if (words[0] !== VERSION || !first.equals(second) || !isSound(words)) return null
  const pageSize = new Uint16Array(words.buffer)[7] as number
  return {
    bytes: first,
    pageSize: pageSize === 1 ? 65536 : pageSize,
    frames: words[4] as number,
    pageCount: words[5] as number,
    salts: bytes.subarray(32, 40),
    checkpointed: words[CHECKPOINTED_AT] as number
  }
}

/** The index's header, as soon as nobody is writing it. */
export function walIndexAtRest (sharedMemory: number): WalIndexHeader {
  for (let tries = 0; tries < TRIES; tries++) {
    const header = readWalIndexHeader(sharedMemory)
    if (header !== null) return header
  }
  throw new NotDirectlyReadable('the index of its write-ahead log is damaged')
}

/** The checksum of the log's format (https://sqlite.org/fileformat2.html#checksum_algorithm) over the header. */
function isSound (words: Uint32Array): boolean {
  let [first, second] = [0, 0]
  for (let index = 0; index < CHECKSUM_AT; index += 2) {
    first = (first + (words[index] as number) + second) >>> 0
    second = (second + (words[index + 1] as number) + first) >>> 0
  }
  return words[CHECKSUM_AT] === first && words[CHECKSUM_AT + 1] === second
}

/** The page that each of the first frames holds. */
export function pagesOfFrames (sharedMemory: number, frames: number): Uint32Array {
  const pages = new Uint32Array(frames)
  const bytes = Buffer.from(pages.buffer)
  let done = 0
  for (let region = 0; done < bytes.length; region++) {
    const skipped = region === 0 ? FIRST_PAGES_AT : 0
    const wanted = Math.min(bytes.length - done, PAGES_IN_REGION * 4 - skipped)
    if (readSync(sharedMemory, bytes, done, wanted, region * REGION_BYTES + skipped) !== wanted) throw new NotDirectlyReadable('the index of its write-ahead log is too short')
    done += wanted
  }
  return pages
}
