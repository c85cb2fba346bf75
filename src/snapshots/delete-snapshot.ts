import type { SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { messageOf, PinnedError } from '../errors.ts'
import { marksKey } from '../format/keys.ts'
import { encodeMarks } from '../format/marks.ts'
import type { SnapshotContext } from './context.ts'
import { removeStored } from './stored-snapshot.ts'

/**
 * Deletes a snapshot: once the mark is stored it is none any more, and what could not be removed then is removed later.
 * @throws FST_SNAPSHOT_PINNED
 */
export async function deleteSnapshot (context: SnapshotContext, row: SnapshotRow): Promise<void> {
  const { catalog, storage, logger } = context
  if (row.pinned) throw new PinnedError(row.name)
  const [deletedAt, revision] = [new Date().toISOString(), row.marksRevision + 1]
  if (row.status !== 'FAILED') await storage.put(marksKey(row.database, row.id), encodeMarks({ revision, pinned: false, labels: row.labels, deletedAt }))
  // Packs may be kept of a failed one, too: until they are gone, its deletion is to be finished.
  updateSnapshotRow(catalog, row.id, { deletedAt, marksRevision: revision, replicas: [{ storage: storage.name, state: 'STORED' }] })
  logger.info({ snapshot: row.name }, 'Snapshot deleted')
  await finishDeletion(context, row)
}

/** Removes what is stored of a deleted snapshot. @returns false for a failure: it is logged, and the next operation tries again */
export async function finishDeletion (context: SnapshotContext, row: SnapshotRow): Promise<boolean> {
  try {
    await removeStored(context, row)
    updateSnapshotRow(context.catalog, row.id, { replicas: [] })
    return true
  } catch (error) {
    context.logger.warn({ err: error, snapshot: row.name }, `What is stored of a deleted snapshot could not be removed yet: ${messageOf(error)}`)
    return false
  }
}
