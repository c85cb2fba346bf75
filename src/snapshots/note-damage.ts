import { recordReplica } from '../catalog/replicas.ts'
import type { Replica, SnapshotRow } from '../catalog/schema.ts'
import { packsOf, recordDamagedPacks, snapshotsWithPack } from '../catalog/snapshot-packs.ts'
import { findById } from '../catalog/snapshots.ts'
import { codeOf, packOf } from '../errors.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import type { SnapshotContext } from './context.ts'

/**
 * Reads something of what a storage has of a snapshot. Where that turns out to be damaged, it is noted before the error goes
 * on: no new snapshot shares the pack, and all snapshots that need it count as damaged there until they are repaired or a
 * verification finds them sound.
 */
export async function notingDamage<T> (context: SnapshotContext, row: SnapshotRow, storage: SnapshotStorage, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_DAMAGED') noteDamage(context, row, storage, error)
    throw error
  }
}

/**
 * The same beside operations. Noting waits for its turn, so that no creation refers meanwhile to what is damaged; where that
 * does not come, it is noted at once.
 */
export async function notingDamageBeside<T> (context: SnapshotContext, row: SnapshotRow, storage: SnapshotStorage, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_DAMAGED') {
      const note = async (): Promise<void> => { noteDamage(context, row, storage, error) }
      await context.queue.run(note).catch(note)
    }
    throw error
  }
}

function noteDamage ({ catalog, logger }: SnapshotContext, row: SnapshotRow, { name: storage }: SnapshotStorage, error: unknown): void {
  // What was removed there while it was read is not damaged.
  if (findById(catalog, row.id)?.replicas.some(replica => replica.storage === storage) !== true) return
  const state: Replica['state'] = codeOf((error as Error).cause) === 'FST_SNAPSHOT_STORAGE_MISSING' ? 'MISSING' : 'DAMAGED'
  const pack = packOf(error)
  const concerned = new Set([row.id, ...pack === undefined ? [] : snapshotsWithPack(catalog, pack, storage)])
  recordDamagedPacks(catalog, pack === undefined ? packsOf(catalog, row.id) : [pack], storage)
  for (const id of concerned) recordReplica(catalog, id, storage, state)
  logger.error({ err: error, snapshot: row.name, storage, pack, snapshots: concerned.size }, 'A stored snapshot is damaged')
}
