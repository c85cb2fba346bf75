import type { SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { PinnedError } from '../errors.ts'
import { marksKey } from '../format/keys.ts'
import { encodeMarks } from '../format/marks.ts'
import type { SnapshotContext } from './context.ts'
import { removeStored } from './stored-snapshot.ts'

/**
 * Deletes a snapshot. The mark comes first, so what an interrupted deletion leaves is no snapshot; asked again, it goes on.
 * @throws FST_SNAPSHOT_PINNED
 */
export async function deleteSnapshot (context: SnapshotContext, row: SnapshotRow): Promise<void> {
  const { catalog, storage, logger } = context
  if (row.pinned) throw new PinnedError(row.name)
  const deletedAt = new Date().toISOString()
  if (row.status !== 'FAILED') {
    await storage.put(marksKey(row.database, row.id), encodeMarks({ revision: row.marksRevision + 1, pinned: false, labels: row.labels, deletedAt }))
    await removeStored(context, row)
  }
  updateSnapshotRow(catalog, row.id, { deletedAt, marksRevision: row.marksRevision + 1, replicas: [] })
  logger.info({ snapshot: row.name }, 'Snapshot deleted')
}
