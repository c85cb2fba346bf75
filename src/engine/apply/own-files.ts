import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'

/*
 * The files that a change of the live database puts beside it. They carry the change's id, so that of an interrupted one nothing
 * is left.
 */

/** What belongs to a database file and must not meet another one. */
export const COMPANIONS = ['-wal', '-shm', '-journal']

/** A new file on its way to the database's path. */
export const freshFile = (path: string, id: string): string => `${path}.${id}.fresh`
/** A name for the old file, and with their suffixes for its companions, on their way to the quarantine. */
export const asideFile = (path: string, id: string): string => `${path}.${id}.old`

/** Where the database is, or would be made by SQLite: links are followed, one to nowhere as well. */
export function fileBehind (path: string): string {
  if (existsSync(path)) return realpathSync(path)
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? fileBehind(resolve(realpathSync(dirname(path)), readlinkSync(path))) : path
}

/** Removes the new file of a change that ended before it was in its place; without an id, those of all changes. */
export function removeFresh (path: string, id?: string): void {
  const file = fileBehind(path)
  if (id !== undefined) return rmSync(freshFile(file, id), { force: true })
  if (!existsSync(dirname(file))) return
  for (const name of readdirSync(dirname(file))) {
    const [, found] = /\.([0-9a-f-]{36})\.fresh$/.exec(name) ?? []
    if (found !== undefined && name === basename(freshFile(file, found))) removeFresh(file, found)
  }
}
