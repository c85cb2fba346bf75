import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../../errors.ts'
import { LockFile } from '../../lock-file.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'

/** How long a removal that is under way is waited for. */
const REMOVAL_WAIT_MS = 30_000

/**
 * The right to make and remove copies in a storage, between the processes of this deployment; null where another has it for
 * longer than one waits: copying may take hours.
 */
export async function lockStorage (context: SnapshotContext, storage: SnapshotStorage, waitMs: number): Promise<LockFile | null> {
  try {
    return await LockFile.take(lockFileOf(context, storage, 'replica'), waitMs)
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_BUSY') return null
    throw error
  }
}

/**
 * Held by what reads something of a storage beside the operations, for as long as that takes: until then nothing is removed
 * there. @throws FST_SNAPSHOT_BUSY
 */
export async function lockForReading (context: SnapshotContext, storage: SnapshotStorage, signal: AbortSignal): Promise<LockFile> {
  mkdirSync(join(context.settings.snapshotDir, '.locks'), { recursive: true, mode: 0o700 })
  return await LockFile.take(lockFileOf(context, storage, 'reading'), REMOVAL_WAIT_MS, signal, 'shared')
}

/** The right to remove something from a storage; null where it is being read. */
export function lockForRemoval (context: SnapshotContext, storage: SnapshotStorage): LockFile | null {
  return LockFile.takeBlocking(lockFileOf(context, storage, 'reading'), 0)
}

const lockFileOf = ({ settings: { snapshotDir, databaseName } }: SnapshotContext, { name }: SnapshotStorage, what: 'replica' | 'reading'): string =>
  join(snapshotDir, '.locks', `${databaseName}.${name}.${what}.lock`)
