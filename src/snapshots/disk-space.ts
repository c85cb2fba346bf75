import { statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { NoRoomError } from '../errors.ts'

/** Bytes that something will take in a folder. */
export interface Need { folder: string, bytes: number, what: string }

const MEBIBYTE = 1024 * 1024

/**
 * Refuses an operation that cannot fit, before it begins. What shares a file system is added up.
 * @throws FST_SNAPSHOT_NO_ROOM
 */
export async function requireRoom (needs: Need[]): Promise<void> {
  for (const sharing of Map.groupBy(needs, need => statSync(need.folder).dev).values()) {
    const { folder } = sharing[0] as Need
    const { bavail, bsize } = await statfs(folder)
    const needed = sharing.reduce((sum, need) => sum + need.bytes, 0)
    if (bavail * bsize < needed) {
      const parts = sharing.map(need => `${inMebibytes(need.bytes)} for ${need.what}`).join(', ')
      throw new NoRoomError(`${inMebibytes(needed)} are needed in ${folder} (${parts}) and ${inMebibytes(bavail * bsize)} are free. Free space and try again`)
    }
  }
}

/** Size of a database with its write-ahead log; 0 where there is none. */
export function databaseBytes (path: string): number {
  return ['', '-wal'].reduce((sum, suffix) => sum + (statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0), 0)
}

/** The folder a database is in, or will be in. */
export const folderOf = (path: string): string => dirname(path)

const inMebibytes = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(1)} MiB`
