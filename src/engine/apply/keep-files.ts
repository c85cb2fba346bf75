import { constants, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { step } from '../../step.ts'
import { explained } from '../target-database.ts'
import { COMPANIONS, fileBehind } from './own-files.ts'
import { syncFile, syncFolderOf } from './safety-copy.ts'

export interface KeepFilesInput {
  /** Path of a database file. */
  path: string
  /** Where copies of it and of what belongs to it go; nothing exists there yet. */
  folder: string
}

/**
 * Copies the files of a database as they are, whatever SQLite makes of them.
 * @returns false where there are none
 */
export async function keepFiles ({ path, folder }: KeepFilesInput): Promise<boolean> {
  const database = fileBehind(path) // where it is a link, its log is beside the file
  const files = ['', ...COMPANIONS].map(suffix => database + suffix).filter(file => existsSync(file))
  if (files.length === 0) return false
  return explained({ path, lockTimeoutMs: 0 }, () => {
    const partial = join(dirname(folder), `.${basename(folder)}.partial`)
    mkdirSync(partial, { recursive: true, mode: 0o700 })
    try {
      for (const file of files) {
        const copy = join(partial, basename(file))
        copyFileSync(file, copy, constants.COPYFILE_FICLONE)
        syncFile(copy)
        step('keep: file copied')
      }
      syncFile(partial)
      renameSync(partial, folder)
    } catch (error) {
      rmSync(partial, { recursive: true, force: true })
      throw error
    }
    syncFolderOf(folder)
    return true
  })
}
