import { USABLE, type SnapshotRow } from '../catalog/schema.ts'
import { snapshotsWithStatus } from '../catalog/snapshots.ts'
import { messageOf } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { deleteSnapshot } from './delete-snapshot.ts'

/**
 * Which scheduled snapshots are beyond the newest `keepLast`. Manual and pinned ones, those of other deployments and those
 * of a damaged database or damaged in storage are neither counted nor removed.
 */
export function beyondLast (rows: readonly SnapshotRow[], source: string, keepLast: number): SnapshotRow[] {
  return rows
    .filter(row => row.source === source && row.trigger === 'scheduled' && !row.pinned && row.integrity !== 'failed' && row.replicas.some(({ state }) => state === 'STORED'))
    .toSorted((a, b) => b.sequence - a.sequence)
    .slice(keepLast)
}

/** Removes old scheduled snapshots. A failure is logged and tried again after the next creation. */
export async function applyRetention (context: SnapshotContext, keepLast: number): Promise<void> {
  const { catalog, settings: { databaseName }, logger } = context
  for (const row of beyondLast(snapshotsWithStatus(catalog, databaseName, USABLE), catalog.source, keepLast)) {
    try {
      await deleteSnapshot(context, row)
    } catch (error) {
      logger.warn({ err: error, snapshot: row.name }, `An old snapshot could not be removed: ${messageOf(error)}`)
    }
  }
}
