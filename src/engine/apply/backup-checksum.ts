import { createHash } from 'node:crypto'
import { closeSync, constants, copyFileSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { SnapshotDamagedError } from '../../errors.ts'
import { explained } from '../target-database.ts'
import { writeDurably } from './safety-copy.ts'

export interface TakeBackupInput {
  /** Path of a backup; it stays as it is. */
  backup: string
  /** A path where nothing exists yet. */
  copy: string
}

const BLOCK_BYTES = 1024 * 1024

/** Where the checksum of a backup stands, in the form that `sha256sum --check` takes. */
export const checksumFile = (backup: string): string => `${backup}.sha256`

/** Notes what a backup is, once nobody waits for it any more. One without a note is still a backup. */
export function noteChecksum (backup: string): void {
  try {
    writeDurably(checksumFile(backup), `${sha256Of(backup)}  ${basename(backup)}\n`)
  } catch {}
}

/**
 * Copies a backup.
 * @returns whether it is known to be what was backed up: there may be no note
 * @throws FST_SNAPSHOT_DAMAGED where it is not any more, or has nothing in it and no note says that it had not
 */
export async function takeBackup ({ backup, copy }: TakeBackupInput): Promise<boolean> {
  return explained({ path: copy, lockTimeoutMs: 0 }, () => {
    copyFileSync(backup, copy, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
    const note = checksumFile(backup)
    if (!existsSync(note)) {
      // To SQLite nothing at all is a sound database.
      if (statSync(copy).size === 0) throw new SnapshotDamagedError(`the backup ${backup} is empty, and there is no checksum to tell whether it was when it was made. Nothing was changed. Choose another backup`)
      return false
    }
    const [noted] = readFileSync(note, 'latin1').split(' ')
    const found = sha256Of(copy)
    if (noted !== found) throw new SnapshotDamagedError(`the backup ${backup} has changed since it was made: its sha256 is ${found}, and ${note} says ${String(noted).slice(0, 64)}. Nothing was changed. Choose another backup`)
    return true
  })
}

/** Of a file that nobody has open with SQLite in this process. */
function sha256Of (path: string): string {
  const hash = createHash('sha256')
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  const descriptor = openSync(path, 'r')
  for (let got = readSync(descriptor, block); got > 0; got = readSync(descriptor, block)) hash.update(block.subarray(0, got))
  closeSync(descriptor)
  return hash.digest('hex')
}
