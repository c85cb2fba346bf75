import { join } from 'node:path'
import { LockFile } from '../../lock-file.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'

/**
 * The right to make and remove copies in a storage, between the processes of this deployment; null where another has it. It
 * is never waited for.
 */
export function lockStorage ({ settings: { snapshotDir, databaseName } }: SnapshotContext, { name }: SnapshotStorage): LockFile | null {
  return LockFile.takeBlocking(join(snapshotDir, '.locks', `${databaseName}.${name}.replica.lock`), 0)
}
