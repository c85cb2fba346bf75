import { constants, copyFileSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { codeOf, isSnapshotError, messageOf, RestoreFailedError } from '../../errors.ts'
import { step } from '../../step.ts'
import { explainSqliteError } from '../target-database.ts'
import { COMPANIONS, fileBehind } from './own-files.ts'
import { syncFile, syncFolderOf } from './safety-copy.ts'

export interface KeepFilesInput {
  /** Path of a database file. */
  path: string
  /** Where copies of it and of what belongs to it go; nothing exists there yet. */
  folder: string
}

/** How often files that the application writes to meanwhile are copied again. */
const TRIES = 5

/**
 * Copies the files of a database as they are, whatever SQLite makes of them. They are of one moment, unless the application
 * writes to them all the time.
 * @returns false where there are none
 * @throws FST_SNAPSHOT_NO_ROOM, FST_SNAPSHOT_DATABASE_UNWRITABLE, FST_SNAPSHOT_RESTORE_FAILED
 */
export async function keepFiles ({ path, folder }: KeepFilesInput): Promise<boolean> {
  const partial = join(dirname(folder), `.${basename(folder)}.partial`)
  try {
    rmSync(partial, { recursive: true, force: true })
    mkdirSync(partial, { recursive: true, mode: 0o700 })
    const database = fileBehind(path) // where it is a link, its log is beside the file
    const copies = copyUnchanged(['', ...COMPANIONS].map(suffix => database + suffix), partial)
    for (const copy of [...copies, partial]) syncFile(copy)
    if (copies.length > 0) renameSync(partial, folder)
    else rmSync(partial, { recursive: true })
    syncFolderOf(folder)
    return copies.length > 0
  } catch (error) {
    rmSync(partial, { recursive: true, force: true })
    const explained = explainSqliteError(error, { path, lockTimeoutMs: 0 })
    throw isSnapshotError(explained) ? explained : new RestoreFailedError(`the files of ${path} could not be copied: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Copies each file, and again what has changed since its copy was begun, until nothing has: then all were as they are copied.
 * @returns paths of the copies
 */
function copyUnchanged (files: string[], folder: string): string[] {
  const copied = new Map<string, string>()
  for (let tries = 0; tries < TRIES; tries++) {
    const changed = files.filter(file => stateOf(file) !== (copied.get(file) ?? GONE))
    if (changed.length === 0) break
    for (const file of changed) {
      const state = stateOf(file)
      const copy = join(folder, basename(file))
      if (copyThere(file, copy)) copied.set(file, state)
      else copied.delete(file)
      step('keep: file copied')
    }
  }
  return [...copied.keys()].map(file => join(folder, basename(file)))
}

const GONE = 'gone'

/** What changes with a file. Of the shared memory, which is nothing but an index of the log, it is only whether it is there. */
function stateOf (file: string): string {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false })
  if (found === undefined) return GONE
  return file.endsWith('-shm') ? 'there' : [found.ino, found.size, found.mtimeNs].join()
}

/** @returns false where there is none, or none any more: an application that closes its database removes the log */
function copyThere (file: string, copy: string): boolean {
  rmSync(copy, { force: true })
  try {
    copyFileSync(file, copy, constants.COPYFILE_FICLONE)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}
