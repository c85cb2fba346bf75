import { constants, copyFileSync, existsSync, mkdirSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { syncFile, syncFolderOf } from './safety-copy.ts'

export interface KeepFilesInput {
  /** Path of a database file. */
  path: string
  /** Where copies of it and of what belongs to it go. */
  folder: string
}

/**
 * Copies the files of a database as they are, whatever SQLite makes of them.
 * @returns false where there are none
 */
export async function keepFiles ({ path, folder }: KeepFilesInput): Promise<boolean> {
  const files = ['', '-wal', '-shm', '-journal'].map(suffix => path + suffix).filter(file => existsSync(file))
  if (files.length === 0) return false
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const file of files) {
    const copy = join(folder, basename(file))
    copyFileSync(realpathSync(file), copy, constants.COPYFILE_FICLONE)
    syncFile(copy)
  }
  syncFolderOf(join(folder, 'any'))
  return true
}
