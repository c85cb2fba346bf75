import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { LockFile } from '../../lock-file.ts'
import type { SnapshotContext } from '../context.ts'

/** Removes what a killed drill has left, unless another one is under way. */
export function sweepDrill (context: SnapshotContext): void {
  const scratch = scratchOf(context)
  if (!existsSync(scratch)) return
  const lock = LockFile.takeBlocking(lockFileOf(context), 0)
  if (lock === null) return
  try {
    rmSync(scratch, { recursive: true, force: true })
  } finally {
    lock.release()
  }
}

/** Nothing else is in there, but what a killed drill has left. */
export const scratchOf = ({ settings: { snapshotDir, databaseName } }: SnapshotContext): string => join(snapshotDir, '.drill', databaseName)
/** Held while a drill is under way. */
export const lockFileOf = ({ settings: { snapshotDir, databaseName } }: SnapshotContext): string => join(snapshotDir, '.locks', `${databaseName}.drill.lock`)

/** Works in a folder of its own, which is gone afterwards. */
export async function withScratch<T> (scratch: string, work: (scratch: string) => Promise<T>): Promise<T> {
  try {
    rmSync(scratch, { recursive: true, force: true })
    mkdirSync(scratch, { recursive: true, mode: 0o700 })
    return await work(scratch)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
