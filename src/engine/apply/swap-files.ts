import { chmodSync, chownSync, copyFileSync, linkSync, mkdirSync, renameSync, rmSync, statSync, type Stats } from 'node:fs'
import { step } from '../../step.ts'
import type { Target } from '../target-database.ts'
import { keepAside, renameIfThere } from './keep-aside.ts'
import { processesWith } from './open-files.ts'
import { asideFile, COMPANIONS, fileBehind, freshFile } from './own-files.ts'
import { syncFile, syncFolderOf, writeDurably } from './safety-copy.ts'
import { takeBack, type ReplacementIntent } from './settle-replacement.ts'

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
  const intent: ReplacementIntent = { backup, quarantine, wasMissing: false, isCheckpointed, modifiedMs: old.mtimeMs }
  // The quarantine may be on another disk. Each of these steps can be taken back as long as the last one is not taken.
  try {
    copyFileSync(image, fresh)
    step('replace: fresh file made')
    giveTo(fresh, old)
    chmodSync(fresh, old.mode)
    syncFile(fresh)
    writeDurably(intentFile, JSON.stringify(intent))
    step('replace: intent noted')
    mkdirSync(quarantine, { recursive: true, mode: 0o700 })
    linkSync(path, aside)
    step('replace: old file linked')
    for (const suffix of COMPANIONS) {
      renameIfThere(path + suffix, aside + suffix)
      step(`replace: ${suffix} aside`)
    }
    renameSync(fresh, path)
  } catch (error) {
    takeBack(path, { id, ...intent })
    rmSync(intentFile, { force: true })
    rmSync(fresh, { force: true })
    throw error
  }
  step('replace: replaced')
  syncFolderOf(path)
  const heldBy = processesWith(old)
  keepAside(path, id, quarantine)
  return heldBy
}

/** Who may not give files away keeps it, as he would keep one that he made; not every file system knows owners. */
function giveTo (file: string, { uid, gid }: Stats): void {
  try {
    chownSync(file, uid, gid)
  } catch {}
}
