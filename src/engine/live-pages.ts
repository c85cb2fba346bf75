import { existsSync, fstatSync, openSync, readSync, statSync, type Stats } from 'node:fs'

/*
 * The committed pages of the live database, read from its files while the write lock is held. The descriptors stay open
 * until the process ends: closing any descriptor of a database file drops all POSIX locks this process has on it.
 */

const WAL_HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const FILES = ['', '-wal', '-shm'] as const

const sameFile = (a: Stats, b: Stats): boolean => a.dev === b.dev && a.ino === b.ino

/** The database at the moment its write lock was taken. */
export interface CommittedPages {
  pageSize: number
  pageCount: number
  /** Fills a block, whose offset and length are multiples of the page size, with the database's bytes. */
  read: (block: Buffer, offset: number) => void
}

export class LivePages {
  readonly #path: string
  readonly #pageSize: number
  readonly #files: Array<number | null>

  /** Opens the files. Call it while a connection keeps -wal and -shm in place, and before the write lock is taken. */
  constructor (path: string, pageSize: number) {
    this.#path = path
    this.#pageSize = pageSize
    this.#files = FILES.map(suffix => openIfThere(path + suffix))
  }

  /** Descriptors whose bytes a durable commit must have on disk: the log's first. */
  get descriptors (): number[] {
    return [this.#wal, this.#database].filter(descriptor => descriptor !== null)
  }

  get #database (): number { return this.#files[0] as number }
  get #wal (): number | null { return this.#files[1] as number | null }
  get #sharedMemory (): number | null { return this.#files[2] as number | null }

  /**
   * True while the open files are those at the database's path. Before the write lock was held, somebody may have put
   * another file there, or changed to or from WAL mode.
   */
  areCurrent (): boolean {
    return FILES.every((suffix, index) => {
      const there = statSync(this.#path + suffix, { throwIfNoEntry: false })
      const descriptor = this.#files[index] as number | null
      return descriptor === null ? there === undefined : there !== undefined && sameFile(there, fstatSync(descriptor))
    })
  }

  /**
   * The committed content. Only under the write lock: then nobody can add to the log or restart it, and a checkpoint of
   * another process writes only pages that are read from the log here.
   */
  committed (): CommittedPages {
    const { frames, pageCount } = this.#walState()
    const offsets = this.#frameOffsets(frames)
    const read = (block: Buffer, offset: number): void => {
      const got = readSync(this.#database, block, 0, block.length, offset)
      block.fill(0, got)
      if (offsets.size === 0) return
      for (let at = 0; at < block.length; at += this.#pageSize) {
        const inWal = offsets.get((offset + at) / this.#pageSize + 1)
        if (inWal !== undefined) readSync(this.#wal as number, block, at, this.#pageSize, inWal)
      }
    }
    return { pageSize: this.#pageSize, pageCount: frames === 0 ? Math.floor(fstatSync(this.#database).size / this.#pageSize) : pageCount, read }
  }

  /**
   * The log's index header in shared memory says how many frames are committed and how large the database is
   * (https://sqlite.org/walformat.html#the_wal_index_file_format); it is in the machine's byte order.
   */
  #walState (): { frames: number, pageCount: number } {
    if (this.#wal === null || this.#sharedMemory === null) return { frames: 0, pageCount: 0 }
    const header = Buffer.alloc(48)
    readSync(this.#sharedMemory, header, 0, header.length, 0)
    const words = new Uint32Array(header.buffer, header.byteOffset, 12)
    return { frames: words[4] as number, pageCount: words[5] as number }
  }

  /** Where the newest content of each page in the log stands: a later frame of the same page wins. */
  #frameOffsets (frames: number): Map<number, number> {
    const offsets = new Map<number, number>()
    const pageNumber = Buffer.alloc(4)
    for (let frame = 0; frame < frames; frame++) {
      const at = WAL_HEADER_BYTES + frame * (FRAME_HEADER_BYTES + this.#pageSize)
      readSync(this.#wal as number, pageNumber, 0, pageNumber.length, at)
      offsets.set(pageNumber.readUInt32BE(0), at + FRAME_HEADER_BYTES)
    }
    return offsets
  }
}

const openIfThere = (path: string): number | null => existsSync(path) ? openSync(path, 'r') : null
