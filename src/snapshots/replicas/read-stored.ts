import type { SnapshotRow } from '../../catalog/schema.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { presentSnapshot } from '../find-snapshot.ts'
import { notingDamageBeside } from '../note-damage.ts'
import { lockForReading } from './lock-storage.ts'

/**
 * Reads what a storage has of a snapshot, for as long as that takes, without holding up any operation. What is deleted is
 * removed from that storage afterwards; what is damaged is noted.
 * @returns null where the storage does not have it, or not any more
 * @throws FST_SNAPSHOT_NOT_FOUND where it was deleted, FST_SNAPSHOT_BUSY
 */
export async function readStored<T> (context: SnapshotContext, id: string, storage: SnapshotStorage, signal: AbortSignal, read: (row: SnapshotRow) => Promise<T>): Promise<T | null> {
  const lock = await lockForReading(context, storage, signal)
  try {
    const row = presentSnapshot(context, id)
    return isStoredIn(row, storage) ? await notingDamageBeside(context, row, storage, async () => await read(row)) : null
  } finally {
    lock.release()
  }
}

export const isStoredIn = ({ replicas }: SnapshotRow, { name }: SnapshotStorage): boolean =>
  replicas.some(({ storage, state }) => storage === name && state !== 'PENDING')
