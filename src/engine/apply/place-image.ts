import { constants, copyFileSync, existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { step } from '../../step.ts'
import { keepAside, renameIfThere } from './keep-aside.ts'
import { asideFile, COMPANIONS, fileBehind, freshFile } from './own-files.ts'
import { syncFile, syncFolderOf, writeDurably } from './safety-copy.ts'
import type { ReplacementIntent } from './settle-replacement.ts'
import type { FileSwap } from './swap-files.ts'

/**
 * Puts an image where no database is. What an earlier database left there (-wal, -shm, -journal) is moved to the
 * quarantine: SQLite would apply it to the new file.
 * @param backup what the intent file says of the content from before
 * @throws Error where a database has appeared meanwhile; then everything is as it was
 */
export function placeImage ({ id, target, image, intentFile, quarantine }: FileSwap, backup: string | null): void {
  const path = fileBehind(target.path)
  const [fresh, aside] = [freshFile(path, id), asideFile(path, id)]
  const intent: ReplacementIntent = { backup, quarantine, wasMissing: true, isCheckpointed: false, modifiedMs: 0 }
  mkdirSync(dirname(path), { recursive: true })
  try {
    copyFileSync(image, fresh, constants.COPYFILE_FICLONE)
    syncFile(fresh)
    step('place: fresh file made')
    writeDurably(intentFile, JSON.stringify(intent))
    for (const suffix of COMPANIONS) moveAside(path, aside, suffix)
    step('place: companions aside')
    linkSync(fresh, path) // unlike a rename, this fails where the application has made a database meanwhile
  } catch (error) {
    for (const suffix of COMPANIONS.filter(suffix => !existsSync(path + suffix))) renameIfThere(aside + suffix, path + suffix)
    keepAside(path, id, quarantine)
    rmSync(intentFile, { force: true })
    rmSync(fresh, { force: true })
    throw error
  }
  step('place: placed')
  rmSync(fresh)
  syncFolderOf(path)
  keepAside(path, id, quarantine)
}

/** A database that has appeared meanwhile gets back what may be its own. */
function moveAside (path: string, aside: string, suffix: string): void {
  if (!existsSync(path + suffix)) return
  renameSync(path + suffix, aside + suffix)
  if (existsSync(path)) throw new Error(`a database has appeared at ${path} meanwhile; restore again`)
}
