import { existsSync, rmSync, statSync, type Stats } from 'node:fs'
import { asideFile, COMPANIONS, fileBehind, freshFile } from './own-files.ts'
import { syncFolderOf } from './safety-copy.ts'
import { keepAside, renameIfThere } from './swap-files.ts'

/** What a recovery knows of a file that was put in the database's place. */
export interface SettleReplacementInput {
  path: string
  id: string
  quarantine: string
  /** Whether the old file has all of its content without its log: then that must not come back, as the file may have been written to since. */
  isCheckpointed: boolean
  /** Whether there was no file before. */
  wasMissing: boolean
}

/**
 * Settles a replacement that was interrupted: taken back where the new file was not in its place yet, else completed.
 * @returns whether it was completed
 */
export async function settleReplacement ({ path: target, id, quarantine, isCheckpointed, wasMissing }: SettleReplacementInput): Promise<boolean> {
  const path = fileBehind(target)
  const [fresh, aside, current] = [freshFile(path, id), asideFile(path, id), path].map(file => statSync(file, { throwIfNoEntry: false }))
  const isPlaced = wasMissing ? fresh === undefined || isSame(fresh, current) : fresh === undefined && !isSame(aside, current)
  rmSync(freshFile(path, id), { force: true })
  if (isPlaced) {
    keepAside(path, id, quarantine)
    return true
  }
  rmSync(asideFile(path, id), { force: true })
  for (const suffix of isCheckpointed || (wasMissing && current !== undefined) ? [] : COMPANIONS) {
    if (!existsSync(path + suffix)) renameIfThere(asideFile(path, id) + suffix, path + suffix)
  }
  keepAside(path, id, quarantine)
  syncFolderOf(path)
  return false
}

const isSame = (a: Stats | undefined, b: Stats | undefined): boolean => a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino
