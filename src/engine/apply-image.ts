import { closeSync, existsSync, fsyncSync, openSync, realpathSync, statSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { BusyError, codeOf, DatabaseLockedError, NotRestorableError } from '../errors.ts'
import { LockFile } from '../lock-file.ts'
import { parseHeader, readHeader, type DatabaseHeader } from './database-header.ts'
import { LivePages, type CommittedPages } from './live-pages.ts'
import type { EngineContext } from './messages.ts'
import { placeImage } from './place-image.ts'
import { completeSafetyCopy, syncFolderOf, type SafetyCopy } from './safety-copy.ts'
import { explainedAsync, openTarget, type Target } from './target-database.ts'

export interface ApplyImageInput {
  target: Target
  /** A verified database file; it takes the live file's journal mode. */
  image: string
  /** What the image is called in errors. */
  name: string
  /** Taken until this process ends, so nobody works on the database while an orphan might. */
  lockFile: string
  /** A copy of the live database to complete under the write lock; null where there is no live database. */
  safetyCopy: SafetyCopy | null
  /** Where a -wal or -shm without its database is moved to. */
  quarantine: string
}

export interface ApplyImageResult {
  /** Milliseconds for which writers of the application had to wait. */
  lockedMs: number
}

const EVERY_PAGE = 0x7fffffff
const RETRY_MS = 5
const EMPTY_PAGE_SIZE = 4096
const TRUNCATE_TRIES = 20
const TRUNCATE_TIMEOUT_MS = 50

/**
 * Replaces the content of the live database by an image, in one transaction of SQLite's own on the live file: readers in
 * WAL mode see the old content until the commit and the new content after it, without reopening anything; a crash rolls
 * back by itself. Before the first page is written, and under the same lock, the safety copy is completed.
 */
export async function applyImage (input: ApplyImageInput, context: EngineContext): Promise<ApplyImageResult> {
  const { target, image, lockFile } = input
  engineLock = LockFile.takeBlocking(lockFile, target.lockTimeoutMs)
  if (engineLock === null) throw new BusyError()
  if (!existsSync(target.path)) {
    placeImage(image, target.path, input.quarantine)
    return { lockedMs: 0 }
  }
  return await explainedAsync(target, async () => {
    const live = openTarget(target)
    const pages = new LivePages(realpathSync(target.path), EMPTY_PAGE_SIZE)
    const isWal = pages.header?.isWal === true
    makeAlike(input, pages.header)
    const source = new Database(image, { readonly: true })
    try {
      const since = await replaceContent(input, live, source, pages, isWal, context)
      const lockedMs = Math.round(performance.now() - since)
      await makeDurable(live, pages, isWal)
      return { lockedMs }
    } finally {
      source.close()
      live.close()
    }
  })
}

/** Held by the process; a local variable could be collected, and the lock with it. */
let engineLock: LockFile | null = null

/** Gives the image the live file's journal mode, and refuses what a transaction on the live file cannot change. */
function makeAlike ({ image, name }: ApplyImageInput, live: DatabaseHeader | null): void {
  if (statSync(image).size === 0) makeOnePage(image, live)
  if (live === null) return // an empty file takes everything from the image
  const theirs = readHeader(image)
  for (const [what, theirsIs, oursIs] of [['page size', theirs.pageSize, live.pageSize], ['text encoding', theirs.encoding, live.encoding]]) {
    if (theirsIs !== oursIs) throw new NotRestorableError(name, `its ${String(what)} is ${String(theirsIs)}, that of the live database ${String(oursIs)}. Stop the application, move the database aside with its -wal and -shm, and restore again`)
  }
  if (theirs.isWal !== live.isWal) setJournalMode(image, live.isWal)
}

/** SQLite cannot copy from a file without pages: an empty database of one page is the same to everyone. */
function makeOnePage (image: string, live: DatabaseHeader | null): void {
  const staged = new Database(image)
  if (live !== null) staged.exec(`PRAGMA page_size = ${live.pageSize}; PRAGMA encoding = '${live.encoding}'`)
  staged.exec('VACUUM')
  staged.close()
}

function setJournalMode (image: string, isWal: boolean): void {
  const staged = new Database(image)
  try {
    staged.pragma(`journal_mode = ${isWal ? 'WAL' : 'DELETE'}`)
  } catch (error) {
    // With a damaged schema SQLite does not, but bytes 18 and 19 of the header are all there is to it.
    if (!/^SQLITE_CORRUPT/.test(codeOf(error) ?? '')) throw error
    staged.close()
    writeJournalMode(image, isWal)
  } finally {
    staged.close()
  }
}

function writeJournalMode (image: string, isWal: boolean): void {
  const descriptor = openSync(image, 'r+')
  writeSync(descriptor, Buffer.alloc(2, isWal ? 2 : 1), 0, 2, 18)
  closeSync(descriptor)
}

/** @returns when the write lock was taken */
async function replaceContent (input: ApplyImageInput, live: Database.Database, source: Database.Database, pages: LivePages, isWal: boolean, context: EngineContext): Promise<number> {
  const { target, safetyCopy } = input
  const deadline = performance.now() + target.lockTimeoutMs
  let lockedAt = 0
  let mayWrite = false
  // The first step takes the write lock and copies nothing; until `mayWrite`, further steps copy nothing either.
  const progress = (): number => {
    if (lockedAt === 0) {
      lockedAt = performance.now()
      const committed = pages.committed()
      if (safetyCopy !== null) completeSafetyCopy(safetyCopy, committed)
      void context.tell({ type: 'locked', schemaCookie: schemaCookie(committed) }).then(() => { mayWrite = true })
    }
    return mayWrite ? EVERY_PAGE : 0
  }
  while (performance.now() < deadline) {
    if (!isWal) waitForReaders(live)
    const { totalPages } = await source.backup(target.path, { progress })
    if (totalPages > 0) return lockedAt
    await sleep(RETRY_MS) // the lock was taken by another: SQLite reports nothing done, and no error
  }
  throw new DatabaseLockedError(target.path, target.lockTimeoutMs)
}

/**
 * In the rollback-journal modes a writer needs the file for itself, and readers that overlap would never let it: an
 * exclusive transaction makes them queue. It is released at once, and what follows comes before their next try.
 */
function waitForReaders (live: Database.Database): void {
  live.exec('BEGIN EXCLUSIVE')
  live.exec('COMMIT')
}

function schemaCookie ({ pageSize, read }: CommittedPages): number {
  const firstPage = Buffer.alloc(pageSize)
  read(firstPage, 0)
  return parseHeader(firstPage).schemaCookie
}

/** SQLite's backup leaves its commit to the operating system's caches, and the -wal as large as the database. */
async function makeDurable (live: Database.Database, pages: LivePages, isWal: boolean): Promise<void> {
  for (const descriptor of pages.descriptors) fsyncSync(descriptor)
  if (!isWal) return syncFolderOf(realpathSync(live.name))
  try {
    await emptyLog(live)
  } catch {} // it is durable already, and a log that could not be emptied now is emptied later
}

async function emptyLog (live: Database.Database): Promise<void> {
  live.pragma('synchronous = FULL')
  live.pragma('wal_checkpoint(PASSIVE)')
  // A truncating checkpoint makes writers wait for readers, so it may only wait briefly. It may fail.
  live.pragma(`busy_timeout = ${TRUNCATE_TIMEOUT_MS}`)
  for (let tries = 0; tries < TRUNCATE_TRIES; tries++) {
    const [{ busy }] = live.pragma('wal_checkpoint(TRUNCATE)') as [{ busy: number }]
    if (busy === 0) return
    await sleep(TRUNCATE_TIMEOUT_MS)
  }
}
