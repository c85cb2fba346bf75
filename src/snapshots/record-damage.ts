import type { Replica, SnapshotRow } from '../catalog/schema.ts'
import { packsOf, recordSuspects, snapshotsWithPack } from '../catalog/snapshot-packs.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { codeOf, packOf } from '../errors.ts'
import type { SnapshotContext } from './context.ts'

/**
 * Reads something of what is stored of a snapshot. Where that turns out to be damaged, it is noted before the error goes on:
 * no new snapshot shares the pack, and all snapshots that need it count as damaged until a verification finds them sound.
 */
export async function notingDamage<T> (context: SnapshotContext, row: SnapshotRow, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_DAMAGED') noteDamage(context, row, error)
    throw error
  }
}

function noteDamage ({ catalog, storage, logger }: SnapshotContext, row: SnapshotRow, error: unknown): void {
  const state: Replica['state'] = codeOf((error as Error).cause) === 'FST_SNAPSHOT_STORAGE_MISSING' ? 'MISSING' : 'DAMAGED'
  const pack = packOf(error)
  const concerned = new Set([row.id, ...pack === undefined ? [] : snapshotsWithPack(catalog, pack)])
  recordSuspects(catalog, pack === undefined ? packsOf(catalog, row.id) : [pack])
  for (const id of concerned) updateSnapshotRow(catalog, id, { replicas: [{ storage: storage.name, state }] })
  logger.error({ err: error, snapshot: row.name, pack, snapshots: concerned.size }, 'A stored snapshot is damaged')
}
