import { recordReplica } from '../../catalog/replicas.ts'
import type { SnapshotRow } from '../../catalog/schema.ts'
import { updateSnapshotRow, usableSnapshots } from '../../catalog/snapshots.ts'
import { manifestKey } from '../../format/keys.ts'
import { inBatches } from '../../storage/in-batches.ts'
import { inOrder } from '../../storage/in-order.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'
import type { Listing } from './list-storage.ts'

const PARALLEL = 16
const BATCH = 50

/**
 * Notes which snapshots should be in a storage and are not.
 * @param before when the listing was begun
 */
export async function noteGone (context: SnapshotContext, storage: SnapshotStorage, listing: Listing, before: string, signal: AbortSignal): Promise<void> {
  const { catalog, settings: { databaseName } } = context
  // What is known to be missing of another deployment's may be a deletion that was half seen.
  const shouldBeThere = ({ source, replicas }: SnapshotRow): boolean => replicas.some(replica => replica.storage === storage.name && (replica.state === 'STORED' || source !== catalog.source))
  for await (const rows of inBatches(usableSnapshots(catalog, databaseName, BATCH), BATCH)) {
    const gone = rows.filter(row => !listing.manifests.has(row.id) && String(row.completedAt) < before && shouldBeThere(row))
    for await (const row of inOrder(gone.map(row => async () => await storage.head(manifestKey(row.database, row.id)) === null ? row : null), PARALLEL)) {
      if (row !== null) noteMissing(context, storage, row)
    }
    signal.throwIfAborted()
  }
}

/** One's own is to be repaired; another deployment's was deleted by that. */
function noteMissing ({ catalog }: SnapshotContext, { name }: SnapshotStorage, row: SnapshotRow): void {
  const isOurs = row.source === catalog.source
  const left = recordReplica(catalog, row.id, name, isOurs ? 'MISSING' : null)
  if (!isOurs && left?.replicas.length === 0) updateSnapshotRow(catalog, row.id, { deletedAt: new Date().toISOString() })
}
