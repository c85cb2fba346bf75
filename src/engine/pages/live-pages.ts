import { existsSync, fstatSync, openSync, statSync, type Stats } from 'node:fs'
import type { Kind } from '../database-kind.ts'
import { framesByPage } from './page-reader.ts'
import { pagesOf, type PageSource } from './page-source.ts'
import { fileState, isFileUnchanged, type FileState } from './file-state.ts'
import { pagesOfFrames, walIndexAtRest } from './wal-index.ts'

/*
 * The committed pages of the live database, read from its files while the write lock is held. The descriptors stay open
 * until the process ends: closing any descriptor of a database file drops all POSIX locks this process has on it.
 */

const FILES = ['', '-wal', '-shm'] as const

const sameFile = (a: Stats, b: Stats): boolean => a.dev === b.dev && a.ino === b.ino

export class LivePages {
  readonly #path: string
  readonly #kind: Kind
  readonly #files: Array<number | null>

  /** Opens the files. Call it while a connection keeps -wal and -shm in place, and before the write lock is taken. */
  constructor (path: string, kind: Kind) {
    this.#path = path
    this.#kind = kind
    // Without the database itself there is nothing to compare with: its log, left alone, would be an empty database's.
    this.#files = [openSync(path, 'r'), openIfThere(`${path}-wal`), openIfThere(`${path}-shm`)]
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
   * The pages that were committed since the files were in some state, in the same way only under the write lock; null where
   * that cannot be told: the log has begun anew, or there is none, or the file may have been written to, be it by a checkpoint,
   * be it past SQLite by whoever put another content there.
   */
  changedSince (before: FileState | null): Uint32Array | null {
    if (before === null || !this.#kind.isWal) return null
    const log = walIndexAtRest(this.#sharedMemory as number)
    const now = fileState(this.#database, log)
    if (!isFileUnchanged(before, now)) return null
    // A log without frames has none to lose; all there are now came later.
    if (before.log !== null && (before.log.salts !== now.log?.salts || before.log.frames > now.log.frames)) return null
    return pagesOfFrames(this.#sharedMemory as number, log.frames).subarray(before.log?.frames ?? 0)
  }

  /**
   * The committed content. Only under the write lock: then nobody can add to the log or restart it, and a checkpoint of
   * another process writes only pages that are read from the log here.
   */
  committed (): PageSource {
    const { pageSize, isWal } = this.#kind
    const header = isWal ? walIndexAtRest(this.#sharedMemory as number) : null
    if (header === null || header.frames === 0) return pagesOf({ file: this.#database, pageSize, log: null }, Math.floor(fstatSync(this.#database).size / pageSize))
    const { frames, pageCount, salts } = header
    const log = { descriptor: this.#wal as number, salts, frames: framesByPage(this.#sharedMemory as number, frames, pageCount) }
    return pagesOf({ file: this.#database, pageSize, log }, pageCount)
  }
}

const openIfThere = (path: string): number | null => existsSync(path) ? openSync(path, 'r') : null
