import Database from 'better-sqlite3'
import { BusyError, codeOf } from '../../errors.ts'
import { LockFile } from '../../lock-file.ts'
import { kindOf, setJournalMode } from '../database-kind.ts'
import type { FileState } from '../pages/file-state.ts'
import { LivePages } from '../pages/live-pages.ts'
import { NotDirectlyReadable } from '../pages/wal-index.ts'
import { explained, openTarget, type Target } from '../target-database.ts'
import { noteChecksum } from './backup-checksum.ts'
import { completeSafetyCopy, type SafetyCopy } from './safety-copy.ts'
import { swapFiles, type FileSwap } from './swap-files.ts'

export interface ReplaceFileInput extends FileSwap {
  /** Taken until this process ends. */
  lockFile: string
  /** A copy of the live database to complete under the write lock; null where SQLite could not read it. */
  safetyCopy: SafetyCopy | null
  copiedAt: FileState | null
}

export interface ReplaceFileResult {
  /** Path of the completed safety copy; null where SQLite could not read what was there. */
  backup: string | null
  lockedMs: number
  /** Processes that still have the old file open. */
  heldBy: number[]
}

/** Errors of a file that SQLite cannot even open. */
const UNREADABLE = ['FST_SNAPSHOT_NOT_A_DATABASE', 'FST_SNAPSHOT_DATABASE_DAMAGED']

/** Held by the process; a local variable could be collected, and the lock with it. */
let engineLock: LockFile | null = null

/**
 * It ends with the process and is never closed: as the last connection to the old file, SQLite would delete the -wal and -shm
 * at its path, and by then those are the new file's, with what the application has committed.
 */
let live: Database.Database | null = null

/**
 * Puts another file in the place of the live database's, in one step: whoever opens the path finds the old file or the new
 * one. Where SQLite can open the old one, it is write-locked meanwhile, and the safety copy completed under that lock.
 */
export async function replaceFile (input: ReplaceFileInput): Promise<ReplaceFileResult> {
  const { target, safetyCopy } = input
  engineLock = LockFile.takeBlocking(input.lockFile, target.lockTimeoutMs)
  if (engineLock === null) throw new BusyError()
  return explained(target, () => {
    live = openIfPossible(target)
    if (live === null) return { backup: null, lockedMs: 0, heldBy: swapFiles(input, null, false) }
    const kind = kindOf(live)
    const pages = new LivePages(live.name, kind)
    setJournalMode(input.image, kind.isWal)
    live.exec('BEGIN EXCLUSIVE')
    const lockedAt = performance.now()
    const backup = safetyCopy !== null && isCompleted(safetyCopy, pages, input.copiedAt) ? safetyCopy.path : null
    const heldBy = swapFiles(input, backup, kind.isWal && backup !== null && isCheckpointed(live.name))
    const lockedMs = Math.round(performance.now() - lockedAt)
    if (backup !== null) noteChecksum(backup)
    return { backup, lockedMs, heldBy }
  })
}

/** What was committed cannot be told where the log is not the one its index describes: then its files are all there is. */
function isCompleted (safetyCopy: SafetyCopy, pages: LivePages, copiedAt: FileState | null): boolean {
  try {
    completeSafetyCopy(safetyCopy, pages.committed(), pages.changedSince(copiedAt))
    return true
  } catch (error) {
    if (error instanceof NotDirectlyReadable) return false
    throw error
  }
}

/**
 * Brings what only the log has into the file: whoever opens the old file in the middle of the exchange, without its log, finds
 * all that was committed. Readers may be in the way of that. Nothing is committed meanwhile, as this process has the write lock.
 */
function isCheckpointed (path: string): boolean {
  const database = new Database(path, { timeout: 0 })
  try {
    return hasAllInFile(database)
  } finally {
    database.close()
  }
}

function hasAllInFile (database: Database.Database): boolean {
  try {
    const [{ busy, log, checkpointed }] = database.pragma('wal_checkpoint(PASSIVE)') as [{ busy: number, log: number, checkpointed: number }]
    return busy === 0 && log === checkpointed
  } catch {
    return false
  }
}

function openIfPossible (target: Target): Database.Database | null {
  try {
    return openTarget(target)
  } catch (error) {
    if (UNREADABLE.includes(String(codeOf(error)))) return null
    throw error
  }
}
