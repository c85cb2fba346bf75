import { chmodSync, chownSync, copyFileSync, existsSync, linkSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { codeOf } from '../../errors.ts'
import type { Target } from '../target-database.ts'
import { processesWith } from './open-files.ts'
import { asideFile, COMPANIONS, fileBehind, freshFile } from './own-files.ts'
import { syncFile, syncFolderOf, writeDurably } from './safety-copy.ts'
import { step } from '../../step.ts'

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

/**
 * Puts a copy of the image in the place of the database file, in one step. What belonged to the old one is moved away before:
 * with the new file, SQLite would take it for its own.
 * @param backup what the intent file says of the content from before
 * @param isCheckpointed whether the old file has all of its content without its log
 * @returns the processes that still have the old file open
 */
export function swapFiles ({ id, target, image, intentFile, quarantine }: FileSwap, backup: string | null, isCheckpointed: boolean): number[] {
  const path = fileBehind(target.path)
  const old = statSync(path)
  const [fresh, aside] = [freshFile(path, id), asideFile(path, id)]
  copyFileSync(image, fresh)
  step('replace: fresh file made')
  chmodSync(fresh, old.mode)
  if (process.getuid?.() === 0) chownSync(fresh, old.uid, old.gid)
  syncFile(fresh)
  writeDurably(intentFile, JSON.stringify({ backup, quarantine, isCheckpointed }))
  step('replace: intent noted')
  // The quarantine may be on another disk. Each of these steps can be taken back as long as the last one is not taken.
  linkSync(path, aside)
  step('replace: old file linked')
  for (const suffix of COMPANIONS) {
    renameIfThere(path + suffix, aside + suffix)
    step(`replace: ${suffix} aside`)
  }
  renameSync(fresh, path)
  step('replace: replaced')
  syncFolderOf(path)
  const heldBy = processesWith(old)
  keepAside(path, id, quarantine)
  return heldBy
}

export function renameIfThere (from: string, to: string): void {
  if (existsSync(from)) renameSync(from, to)
}

/** Moves what stands aside to the quarantine. */
export function keepAside (path: string, id: string, quarantine: string): void {
  for (const suffix of ['', ...COMPANIONS]) {
    const aside = asideFile(path, id) + suffix
    if (!existsSync(aside)) continue
    mkdirSync(quarantine, { recursive: true, mode: 0o700 })
    keep(aside, join(quarantine, basename(path) + suffix))
    step('replace: old file kept')
  }
  syncFolderOf(path)
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
