import { recordReplica } from '../catalog/replicas.ts'
import type { SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { NotRestorableError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { requireOwn } from './own-snapshots.ts'
import { marksOf, placesOfMarks, storeMarks } from './store-marks.ts'

/**
 * Changes what may change of a snapshot, in the required storages; the others follow.
 * @throws FST_SNAPSHOT_NOT_RESTORABLE (nothing is stored of it), FST_SNAPSHOT_NOT_OWN
 */
export async function updateSnapshot (context: SnapshotContext, row: SnapshotRow, change: { pinned?: boolean, labels?: Record<string, string> }): Promise<SnapshotRow> {
  if (row.status === 'FAILED' || row.status === 'CREATING') throw new NotRestorableError(row.name, `its status is ${row.status}, nothing is stored of it`)
  await requireOwn(context, row)
  return await changeMarks(context, row, change)
}

/** Stores marks where they count before the catalog says so; other storages follow. */
export async function changeMarks (context: SnapshotContext, row: SnapshotRow, change: Partial<Pick<SnapshotRow, 'pinned' | 'labels' | 'source' | 'takeovers' | 'name'>>, places = placesOfMarks(context, row)): Promise<SnapshotRow> {
  const changed = { ...row, ...change, marksRevision: row.marksRevision + 1 }
  for (const storage of places) await storeMarks(storage, changed, marksOf(changed))
  const { catalog } = context
  let updated = updateSnapshotRow(catalog, row.id, { ...change, marksRevision: changed.marksRevision }) as SnapshotRow
  for (const { storage, state } of row.replicas) {
    if (state === 'STORED' && !places.some(({ name }) => name === storage)) updated = recordReplica(catalog, row.id, storage, 'PENDING') as SnapshotRow
  }
  return updated
}
