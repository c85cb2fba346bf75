import { randomUUID } from 'node:crypto'
import { constants, copyFileSync, existsSync, linkSync, lstatSync, mkdirSync, readlinkSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { syncFile, syncFolderOf } from './safety-copy.ts'

/**
 * Puts an image where no database is. What an earlier database left there (-wal, -shm, -journal) is moved to the
 * quarantine first: SQLite would apply it to the new file.
 */
export function placeImage (image: string, link: string, quarantine: string): void {
  const path = targetOf(link)
  mkdirSync(dirname(path), { recursive: true })
  for (const suffix of ['-wal', '-shm', '-journal']) moveAside(path, suffix, quarantine)
  const partial = `${path}.partial`
  try {
    copyDurably(image, partial)
    linkSync(partial, path) // unlike a rename, this fails where the application has made a database meanwhile
  } finally {
    rmSync(partial, { force: true })
  }
  syncFolderOf(path)
}

/** @throws Error where a database has appeared meanwhile, whose own file this may be; then it stands where it stood */
function moveAside (database: string, suffix: string, folder: string): void {
  const path = database + suffix
  if (!existsSync(path)) return
  const aside = `${path}.${randomUUID()}` // in one step; the quarantine may be on another disk
  renameSync(path, aside)
  if (existsSync(database)) {
    renameSync(aside, path)
    throw new Error(`a database has appeared at ${database} meanwhile; restore again`)
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  copyDurably(aside, join(folder, basename(path)))
  rmSync(aside)
}

function copyDurably (from: string, to: string): void {
  copyFileSync(from, to, constants.COPYFILE_FICLONE)
  syncFile(to)
}

/** Where a link to nowhere points, as SQLite would follow it. */
function targetOf (path: string): string {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? targetOf(resolve(dirname(path), readlinkSync(path))) : path
}
