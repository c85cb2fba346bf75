import { join } from 'node:path'
import { codeOf } from '../../errors.ts'
import { LockFile } from '../../lock-file.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'

/**
 * The right to make and remove copies in a storage, between the processes of this deployment; null where another has it for
 * longer than one waits: copying may take hours.
 */
export async function lockStorage ({ settings: { snapshotDir, databaseName } }: SnapshotContext, { name }: SnapshotStorage, waitMs: number): Promise<LockFile | null> {
  try {
    return await LockFile.take(join(snapshotDir, '.locks', `${databaseName}.${name}.replica.lock`), waitMs)
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_BUSY') return null
    throw error
  }
}
