import { chmodSync, chownSync, copyFileSync, existsSync, linkSync, mkdirSync, realpathSync, renameSync, rmSync, statSync, type Stats } from 'node:fs'
import { basename, join } from 'node:path'
import { codeOf } from '../../errors.ts'
import type { Target } from '../target-database.ts'
import { processesWith } from './open-files.ts'
import { syncFile, syncFolderOf, writeDurably } from './safety-copy.ts'

export interface FileSwap {
  /** Names the files that are on their way. */
  id: string
  target: Target
  /** A verified database file. */
  image: string
  /** Written durably before anything is moved. */
  intentFile: string
  /** Where the old files go. */
  quarantine: string
}

/** What of a {@link FileSwap} a recovery knows. */
export interface SettleReplacementInput { path: string, id: string, quarantine: string }

/** What belongs to a database file and must not meet another one. */
const COMPANIONS = ['-wal', '-shm', '-journal']

/**
 * Puts a copy of the image in the place of the database file, in one step. What belonged to the old one is moved away before:
 * with the new file, SQLite would take it for its own.
 * @param backup what the intent file says of the content from before
 * @returns the processes that still have the old file open
 */
export function swapFiles ({ id, target, image, intentFile, quarantine }: FileSwap, backup: string | null): number[] {
  const path = realpathSync(target.path)
  const old = statSync(path)
  const [fresh, aside] = [freshFile(path, id), asideFile(path, id)]
  // The quarantine may be on another disk. Each of these steps can be taken back as long as the last one is not taken.
  try {
    copyFileSync(image, fresh)
    giveTo(fresh, old)
    chmodSync(fresh, old.mode)
    syncFile(fresh)
    writeDurably(intentFile, JSON.stringify({ backup, quarantine }))
    mkdirSync(quarantine, { recursive: true, mode: 0o700 })
    linkSync(path, aside)
    for (const suffix of COMPANIONS) renameIfThere(path + suffix, aside + suffix)
    renameSync(fresh, path)
  } catch (error) {
    takeBack(path, id, quarantine)
    rmSync(intentFile, { force: true })
    throw error
  }
  syncFolderOf(path)
  const heldBy = processesWith(old)
  keepAside(path, id, quarantine)
  return heldBy
}

const freshFile = (path: string, id: string): string => `${path}.${id}.fresh`
const asideFile = (path: string, id: string): string => `${path}.${id}.old`

/**
 * Settles a replacement that was interrupted: taken back where the new file was not in its place yet, else completed.
 * @returns whether it was completed
 */
export async function settleReplacement ({ path: target, id, quarantine }: SettleReplacementInput): Promise<boolean> {
  const path = existsSync(target) ? realpathSync(target) : target
  const aside = asideFile(path, id)
  const [old, current] = [aside, path].map(file => statSync(file, { throwIfNoEntry: false }))
  if (old !== undefined && old.ino === current?.ino) {
    takeBack(path, id, quarantine)
    return false
  }
  rmSync(freshFile(path, id), { force: true })
  keepAside(path, id, quarantine)
  return existsSync(join(quarantine, basename(path)))
}

/**
 * The old file is in its place still; what belonged to it returns there, unless somebody has opened it without that, and has a
 * log of his own by now: with two in turn SQLite would take the wrong one for its own.
 */
function takeBack (path: string, id: string, quarantine: string): void {
  const aside = asideFile(path, id)
  rmSync(freshFile(path, id), { force: true })
  rmSync(aside, { force: true })
  if (['-wal', '-journal'].some(suffix => existsSync(path + suffix) && existsSync(aside + suffix))) return keepAside(path, id, quarantine)
  for (const suffix of COMPANIONS.filter(suffix => !existsSync(path + suffix))) renameIfThere(aside + suffix, path + suffix)
  syncFolderOf(path)
}

/** Who may not give files away keeps it, as he would keep one that he made. */
function giveTo (file: string, { uid, gid }: Stats): void {
  try {
    chownSync(file, uid, gid)
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error
  }
}

function keepAside (path: string, id: string, quarantine: string): void {
  for (const suffix of ['', ...COMPANIONS]) {
    const aside = asideFile(path, id) + suffix
    if (existsSync(aside)) keep(aside, join(quarantine, basename(path) + suffix))
  }
  syncFolderOf(path)
}

function renameIfThere (from: string, to: string): void {
  if (existsSync(from)) renameSync(from, to)
}

/** Moves a file, durably. On the same disk it stays the same file: what somebody still writes to it is not lost, either. */
function keep (from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (codeOf(error) !== 'EXDEV') throw error
    copyFileSync(from, to)
    syncFile(to)
    rmSync(from)
  }
  syncFolderOf(to)
}
