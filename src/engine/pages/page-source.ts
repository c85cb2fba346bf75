import { fstatSync, openSync, statSync } from 'node:fs'
import type Database from 'better-sqlite3'
import { codeOf, messageOf } from '../../errors.ts'
import { askOften } from '../ask-often.ts'
import { fileState, type FileState } from './file-state.ts'
import { HEADER_BYTES, parseHeader, type DatabaseHeader } from '../database-header.ts'
import { framesByPage, pageReader, readFully, type PageFiles, type PageReader } from './page-reader.ts'
import { NotDirectlyReadable, readWalIndexHeader, WAL_SALTS_AT, type WalIndexHeader } from './wal-index.ts'

/** A database as it is at one moment. */
export interface PageSource {
  pageSize: number
  pageCount: number
  read: PageReader
  /** What it is read from, for other threads of this process. */
  files: PageFiles
  /** How the database's files are; null where these are others. */
  state: FileState | null
}

/** The pages of plain files; {@link pinPages} makes those of a database in use. */
export function pagesOf (files: PageFiles, pageCount: number, state: FileState | null = null): PageSource {
  return { pageSize: files.pageSize, pageCount, read: pageReader(files), files, state }
}

/**
 * Does something with the pages of a database as it is at one moment, read directly; where that turns out to be impossible,
 * even in the middle, something else within a read transaction that is pinned.
 * @throws NotDirectlyReadable where SQLite cannot read it either: the database is damaged
 */
export async function readDirectly<T> (database: Database.Database, direct: (pages: PageSource) => Promise<T>, otherwise: (reason: string) => Promise<T>): Promise<T> {
  try {
    return await direct(pinPages(database))
  } catch (error) {
    if (!(error instanceof NotDirectlyReadable)) throw error
    if (!database.inTransaction) pin(database)
    return await otherwise(error.message).catch((failure: unknown) => { throw isUnreadable(failure) ? new NotDirectlyReadable(`${error.message}, and SQLite cannot read it either: ${messageOf(failure)}`, { cause: failure }) : failure })
  }
}

/** Such as a log that ends before its index says. */
const isUnreadable = (error: unknown): boolean => /^SQLITE_IOERR(_SHORT_READ)?$/.test(String(codeOf(error)))

/** The write-ahead log and its index, as descriptors, and what the index said when the transaction was pinned. */
interface Log { frames: number, index: number, pinned: WalIndexHeader }

const PIN_TRIES = 1000

/** Begins a read transaction: from here on this connection sees one moment of the database. */
export function pin (database: Database.Database): void {
  database.exec('BEGIN')
  askOften(database, () => database.pragma('schema_version'))
}

/**
 * Begins a read transaction, and opens what it sees for reading in large blocks, past SQLite: a page is its last frame in
 * the write-ahead log up to the pinned commit, else what the database file has. While the transaction lasts nobody changes
 * either: a checkpoint writes no page that a reader takes from the file, and does not let the log begin anew. In the
 * rollback-journal modes the reader's lock keeps the file still.
 *
 * The descriptors stay open until the process ends: closing any of a database file drops the process's locks on it.
 * @throws NotDirectlyReadable, with no transaction begun; SQLite itself may well be able to read the database
 */
export function pinPages (database: Database.Database): PageSource {
  if (process.platform === 'win32') throw new NotDirectlyReadable('locks on Windows keep others from reading it')
  const file = openSync(database.name, 'r')
  const log = pinExactly(database, file)
  try {
    if (statSync(database.name, { throwIfNoEntry: false })?.ino !== fstatSync(file).ino) throw new NotDirectlyReadable('another file is taking its place')
    const pageSize = database.pragma('page_size', { simple: true }) as number
    const pageCount = pageCountOf(database) ?? pageCountIn(file, pageSize, log)
    return pagesOf({ file, pageSize, log: log && overlay(log, pageSize, pageCount) }, pageCount, fileState(file, log && log.pinned))
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

/**
 * Pins exactly the commit that the log's index names: the index is the same before and after, and also once it was read how
 * much of it is in the file. Null without a log.
 */
function pinExactly (database: Database.Database, file: number): Log | null {
  let log: Pick<Log, 'frames' | 'index'> | undefined
  let before: WalIndexHeader | null = null
  for (let tries = 0; tries < PIN_TRIES; tries++) {
    pin(database)
    if (!parseHeader(readFully(file, HEADER_BYTES, 0)).isWal) return null
    log ??= { frames: openSync(`${database.name}-wal`, 'r'), index: openSync(`${database.name}-shm`, 'r') }
    const pinned = readWalIndexHeader(log.index)
    const after = readWalIndexHeader(log.index)
    if (pinned !== null && isSame(before, pinned) && isSame(after, pinned)) return { ...log, pinned }
    before = after
    database.exec('ROLLBACK')
  }
  throw new NotDirectlyReadable('the index of its write-ahead log does not come to rest')
}

const isSame = (header: WalIndexHeader | null, pinned: WalIndexHeader): boolean => header !== null && header.bytes.equals(pinned.bytes)

/**
 * Where the log's pages are to be read from it; null where the file had them all when the transaction was pinned. Then
 * SQLite takes nothing from the log either, so a writer may begin it anew at any time, but nobody may write to the file.
 * Otherwise the log cannot begin anew. What is checkpointed later counts for nothing: of a page with several frames a
 * checkpoint writes the last one only, and that one not if it came after the reader.
 */
function overlay ({ frames, index, pinned }: Log, pageSize: number, pageCount: number): PageFiles['log'] {
  if (pinned.checkpointed >= pinned.frames) return null
  const salts = readFully(frames, pinned.salts.length, WAL_SALTS_AT)
  if (!salts.equals(pinned.salts) || pinned.pageSize !== pageSize) throw new NotDirectlyReadable('its write-ahead log is not the one its index describes')
  return { descriptor: frames, salts, frames: framesByPage(index, pinned.frames, pageCount) }
}

/** What SQLite says; null where a damaged schema keeps it from saying anything. */
function pageCountOf (database: Database.Database): number | null {
  try {
    return database.pragma('page_count', { simple: true }) as number
  } catch {
    return null
  }
}

function pageCountIn (file: number, pageSize: number, log: Log | null): number {
  const inFile = Math.floor(fstatSync(file).size / pageSize)
  return log === null ? inFile : log.pinned.pageCount || inFile
}

/** What the first page says. */
export function headerOf ({ pageSize, read }: PageSource): DatabaseHeader {
  const firstPage = Buffer.alloc(pageSize)
  read(firstPage, 0)
  return parseHeader(firstPage)
}
