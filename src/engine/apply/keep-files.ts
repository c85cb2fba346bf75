import { constants, copyFileSync, existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { explained } from '../target-database.ts'
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
  const database = existsSync(path) ? realpathSync(path) : path // where it is a link, its log is beside the file
  const files = ['', '-wal', '-shm', '-journal'].map(suffix => database + suffix).filter(file => existsSync(file))
  if (files.length === 0) return false
  return explained({ path, lockTimeoutMs: 0 }, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    try {
      for (const file of files) {
        const copy = join(folder, basename(file))
        copyFileSync(file, copy, constants.COPYFILE_FICLONE)
        syncFile(copy)
      }
      syncFolderOf(join(folder, 'any'))
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
    return true
  })
}
