import { existsSync, fsyncSync, realpathSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { BusyError, DatabaseLockedError, NotRestorableError } from '../errors.ts'
import { LockFile } from '../lock-file.ts'
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
    const { pageSize, isWal } = makeAlike(input, live)
    const pages = new LivePages(realpathSync(target.path), pageSize)
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
function makeAlike ({ image, name }: ApplyImageInput, live: Database.Database): { pageSize: number, isWal: boolean } {
  const property = (database: Database.Database, pragma: string): unknown => database.pragma(pragma, { simple: true })
  const isWal = property(live, 'journal_mode') === 'wal'
  const pageSize = property(live, 'page_size') as number
  const isEmptyTarget = property(live, 'page_count') === 0
  const staged = new Database(image)
  try {
    if (property(staged, 'page_count') === 0) {
      // SQLite cannot copy from a file without pages: an empty database of one page is the same to everyone.
      staged.pragma(`page_size = ${pageSize}`)
      staged.pragma(`encoding = '${property(live, 'encoding') as string}'`)
      staged.exec('VACUUM')
    }
    for (const [pragma, what] of [['page_size', 'page size'], ['encoding', 'text encoding']] as const) {
      const [theirs, ours] = [property(staged, pragma), property(live, pragma)]
      if (theirs !== ours && !isEmptyTarget) throw new NotRestorableError(name, `its ${what} is ${String(theirs)}, that of the live database ${String(ours)}. Stop the application, move the database aside with its -wal and -shm, and restore again`)
    }
    // An empty file has no journal mode of its own yet, so it gets the snapshot's.
    if (!isEmptyTarget) staged.pragma(`journal_mode = ${isWal ? 'WAL' : 'DELETE'}`)
    return { pageSize: isEmptyTarget ? property(staged, 'page_size') as number : pageSize, isWal }
  } finally {
    staged.close()
  }
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
      if (safetyCopy !== null) completeSafetyCopy(safetyCopy, committed, pages.pageSize)
      void context.tell({ type: 'locked', schemaCookie: schemaCookie(committed, pages.pageSize) }).then(() => { mayWrite = true })
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

/** Bytes 40 to 43 of the database: a number that every change of the schema, and every restore, changes. */
function schemaCookie ({ read }: CommittedPages, pageSize: number): number {
  const firstPage = Buffer.alloc(pageSize)
  read(firstPage, 0)
  return firstPage.readUInt32BE(40)
}

/** SQLite's backup leaves its commit to the operating system's caches, and the -wal as large as the database. */
async function makeDurable (live: Database.Database, pages: LivePages, isWal: boolean): Promise<void> {
  for (const descriptor of pages.descriptors) fsyncSync(descriptor)
  if (!isWal) return syncFolderOf(realpathSync(live.name))
  live.pragma('synchronous = FULL')
  live.pragma('wal_checkpoint(PASSIVE)')
  // A truncating checkpoint makes writers wait for readers, so it may only wait briefly. It can fail: all is durable.
  live.pragma(`busy_timeout = ${TRUNCATE_TIMEOUT_MS}`)
  for (let tries = 0; tries < TRUNCATE_TRIES; tries++) {
    const [{ busy }] = live.pragma('wal_checkpoint(TRUNCATE)') as [{ busy: number }]
    if (busy === 0) return
    await sleep(TRUNCATE_TIMEOUT_MS)
  }
}
