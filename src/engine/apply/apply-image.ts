import { existsSync, rmSync, symlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { BusyError, codeOf, DatabaseLockedError } from '../../errors.ts'
import { LockFile } from '../../lock-file.ts'
import { pause } from '../ask-often.ts'
import { makeAlike, type Kind } from '../database-kind.ts'
import type { LivePages } from '../pages/live-pages.ts'
import { noteChecksum } from './backup-checksum.ts'
import { lookAtLive } from './look-at-live.ts'
import { makeDurable } from './make-durable.ts'
import { placeImage } from './place-image.ts'
import { completeSafetyCopy, placeSafetyCopy, writeDurably, type SafetyCopy } from './safety-copy.ts'
import { currentPages, requireCurrent, TargetChanged } from './target-changed.ts'
import type { FileSwap } from './swap-files.ts'
import { explainedAsync } from '../target-database.ts'
import type { FileState } from '../pages/file-state.ts'
import { step } from '../../step.ts'

export interface ApplyImageInput extends FileSwap {
  /** What the image is called in errors. */
  name: string
  /** Taken until this process ends, so nobody works on the database while an orphan might. */
  lockFile: string
  /** A copy of the live database to complete under the write lock; null where there was no live database. */
  safetyCopy: SafetyCopy | null
  /** How the live database's files were when that copy was made, to know what has been committed since; null where it is not known. */
  copiedAt: FileState | null
  /**
   * Where a link to the live database may be, for better-sqlite3 to open: where it finds no file at first, it takes it for one
   * that it makes itself, and deletes it if the backup ends early. Another process may have put a database there by then.
   * Null opens the database by its own name.
   */
  link: string | null
}

export interface ApplyImageResult {
  /** Path of the completed safety copy; null where there was no live database. */
  backup: string | null
  /** Milliseconds for which writers of the application had to wait. */
  lockedMs: number
}

const EVERY_PAGE = 0x7fffffff
const RETRY_MS = 5
/** SQLite's waiting writers sleep longer each time; after so long they sleep long enough to be overtaken. */
const GATE_MS = 20

/**
 * Replaces the content of the live database by an image, in one transaction of SQLite's own on the live file: readers in
 * WAL mode see the old content until the commit and the new content after it, without reopening anything; a crash rolls
 * back by itself. Before the first page is written, and under the same lock, the safety copy is completed. Under that lock
 * the host is not asked for anything: it may be waiting for it, in the middle of a query.
 */
export async function applyImage (input: ApplyImageInput): Promise<ApplyImageResult> {
  const { target } = input
  engineLock = LockFile.takeBlocking(input.lockFile, target.lockTimeoutMs)
  if (engineLock === null) throw new BusyError()
  step('apply: alone')
  const deadline = performance.now() + target.lockTimeoutMs
  for (;;) {
    try {
      return existsSync(target.path) ? await explainedAsync(target, async () => await replaceContent(input, deadline)) : placeNew(input)
    } catch (error) {
      const isMoving = error instanceof TargetChanged || codeOf(error) === 'FST_SNAPSHOT_DATABASE_MISSING'
      if (!isMoving || performance.now() >= deadline) throw error
      await sleep(RETRY_MS)
    }
  }
}

function placeNew (input: ApplyImageInput): ApplyImageResult {
  const { safetyCopy } = input
  const backup = safetyCopy?.path ?? null
  if (safetyCopy !== null) placeSafetyCopy(safetyCopy) // the database has vanished since it was copied
  placeImage(input, backup)
  if (backup !== null) noteChecksum(backup)
  return { backup, lockedMs: 0 }
}

async function replaceContent (input: ApplyImageInput, deadline: number): Promise<ApplyImageResult> {
  const { target, image, safetyCopy } = input
  if (safetyCopy === null) throw new Error(`a database has appeared at ${target.path} meanwhile; restore again`)
  const { database: live, kind, pages } = lookAtLive(target)
  let source: Database.Database | undefined
  try {
    makeAlike(image, kind, input.name)
    source = new Database(image, { readonly: true })
    const since = await copyIntoLive(input, safetyCopy, live, source, pages, kind, deadline)
    step('apply: committed')
    const lockedMs = Math.round(performance.now() - since)
    await makeDurable(live, pages, kind.isWal)
    step('apply: durable')
    noteChecksum(safetyCopy.path)
    return { backup: safetyCopy.path, lockedMs }
  } finally {
    source?.close()
    live.close()
  }
}

/** Held by the process; a local variable could be collected, and the lock with it. */
let engineLock: LockFile | null = null

/** @returns when the write lock was taken */
async function copyIntoLive (input: ApplyImageInput, safetyCopy: SafetyCopy, live: Database.Database, source: Database.Database, pages: LivePages, kind: Kind, deadline: number): Promise<number> {
  const { target } = input
  let lockedAt = 0
  // The first step takes the write lock and copies nothing; the next one copies everything.
  const progress = (): number => {
    if (lockedAt === 0) {
      lockedAt = performance.now()
      step('apply: write-locked')
      const committed = currentPages(pages, kind)
      completeSafetyCopy(safetyCopy, committed, pages.changedSince(input.copiedAt))
      writeDurably(input.intentFile, JSON.stringify({ backup: safetyCopy.path }))
      step('apply: intent noted')
    }
    return EVERY_PAGE
  }
  if (input.link !== null) symlinkSync(live.name, input.link)
  step('apply: linked')
  try {
    for (let isFirst = true; isFirst || performance.now() < deadline; isFirst = false) {
      if (!kind.isEmpty) await keepPlace(live, pages, kind, isFirst, deadline) // of an empty file it would make a database
      requireCurrent(pages) // SQLite would make a database where there is none by now
      const { totalPages } = await source.backup(input.link ?? live.name, { progress })
      if (totalPages > 0) return lockedAt
      await sleep(RETRY_MS) // the lock was taken by another: SQLite reports nothing done, and no error
    }
  } catch (error) {
    if (lockedAt === 0) requireCurrent(pages) // whatever SQLite says of a database whose files were moved away
    throw error
  } finally {
    if (input.link !== null) rmSync(input.link)
  }
  throw new DatabaseLockedError(target.path, target.lockTimeoutMs)
}

/** Waits for the lock in the queue, as the backup that follows does not. */
async function keepPlace (live: Database.Database, pages: LivePages, { isWal }: Kind, isFirst: boolean, deadline: number): Promise<void> {
  if (!isFirst || !isWal) await overtakeWriters(live, pages, deadline)
  if (!isWal) waitForReaders(live)
}

/**
 * Writers without a pause leave the lock free for microseconds, and neither SQLite's backup, which does not wait for locks,
 * nor its busy timeout, which looks again after up to 100 ms, meets those. So the lock is asked for in short intervals, and
 * held for a moment: then whoever waits for it sleeps long enough for the backup to be first.
 */
async function overtakeWriters (live: Database.Database, pages: LivePages, deadline: number): Promise<void> {
  const timeout = live.pragma('busy_timeout', { simple: true }) as number
  live.pragma('busy_timeout = 0')
  while (!beganWriting(live) && performance.now() < deadline) {
    requireCurrent(pages)
    pause()
  }
  live.pragma(`busy_timeout = ${timeout}`)
  if (!live.inTransaction) return
  await sleep(GATE_MS)
  live.exec('COMMIT')
}

function beganWriting (live: Database.Database): boolean {
  try {
    live.exec('BEGIN IMMEDIATE')
    return true
  } catch {
    return false // for another reason than a lock the backup fails too, and says why
  }
}

/**
 * In the rollback-journal modes a writer needs the file for itself, and readers that overlap would never let it: an
 * exclusive transaction makes them queue. It is released at once, and what follows comes before their next try.
 */
function waitForReaders (live: Database.Database): void {
  live.exec('BEGIN EXCLUSIVE')
  live.exec('COMMIT')
}
