import { constants, copyFileSync, existsSync, mkdirSync, realpathSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { syncFile, syncFolderOf } from './safety-copy.ts'
import { step } from '../../step.ts'

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
  const partial = join(dirname(folder), `.${basename(folder)}.partial`)
  mkdirSync(partial, { recursive: true, mode: 0o700 })
  for (const file of files) {
    const copy = join(partial, basename(file))
    copyFileSync(realpathSync(file), copy, constants.COPYFILE_FICLONE)
    syncFile(copy)
    step('keep: file copied')
  }
  syncFolderOf(join(partial, 'any'))
  renameSync(partial, folder)
  syncFolderOf(folder)
  return true
}
