import { closeSync, constants, copyFileSync, existsSync, fsyncSync, linkSync, lstatSync, mkdirSync, openSync, readlinkSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { syncFolderOf } from './safety-copy.ts'

/**
 * Puts an image where no database is. What an earlier database left there (-wal, -shm, -journal) is moved to the
 * quarantine first: SQLite would apply it to the new file.
 */
export function placeImage (image: string, link: string, quarantine: string): void {
  const path = targetOf(link)
  mkdirSync(dirname(path), { recursive: true })
  for (const suffix of ['-wal', '-shm', '-journal']) moveAside(path + suffix, quarantine)
  const partial = `${path}.partial`
  try {
    copyFileSync(image, partial, constants.COPYFILE_FICLONE)
    const descriptor = openSync(partial, 'r+')
    fsyncSync(descriptor)
    closeSync(descriptor)
    linkSync(partial, path) // unlike a rename, this fails where the application has made a database meanwhile
  } finally {
    rmSync(partial, { force: true })
  }
  syncFolderOf(path)
}

function moveAside (path: string, folder: string): void {
  if (!existsSync(path)) return
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  copyFileSync(path, join(folder, basename(path))) // not a rename: the folder may be on another disk
  rmSync(path)
}

/** Where a link to nowhere points, as SQLite would follow it. */
function targetOf (path: string): string {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? targetOf(resolve(dirname(path), readlinkSync(path))) : path
}
