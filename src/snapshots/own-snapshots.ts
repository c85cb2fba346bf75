import type { SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { NotOwnError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { readMarks } from './store-marks.ts'

/**
 * Another deployment's snapshots are read and never changed. Whether one of this deployment was taken over meanwhile, the
 * storage tells.
 * @throws FST_SNAPSHOT_NOT_OWN
 */
export async function requireOwn ({ catalog, primary }: SnapshotContext, row: SnapshotRow): Promise<void> {
  const owner = row.source !== catalog.source ? row.source : (await readMarks(primary, row))?.source ?? catalog.source
  if (owner === catalog.source) return
  updateSnapshotRow(catalog, row.id, { source: owner })
  throw new NotOwnError(row.name, row.sourceHost === null ? owner : `${owner}, made on ${row.sourceHost}`)
}
