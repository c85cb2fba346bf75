import { snapshotsOfOthers } from '../../catalog/found-snapshots.ts'
import { isNameTaken, recordNewest } from '../../catalog/snapshots.ts'
import type { SnapshotContext } from '../context.ts'
import { firstFree } from '../snapshot-name.ts'
import { placesOfOwner } from '../store-marks.ts'
import { changeMarks } from '../update-snapshot.ts'

/**
 * Takes the snapshots of other deployments over: from now on they are this one's, to be changed, counted by retention and
 * deleted. What tells so is stored beside each of them. Deletions that one of them began are finished here.
 * @param source only those of one deployment
 * @returns how many snapshots there were
 * @throws what a storage throws that has one of them and does not take that; those before are taken over by then
 */
export async function adoptSnapshots (context: SnapshotContext, source: string | undefined, signal: AbortSignal): Promise<number> {
  const { catalog, logger, settings: { databaseName } } = context
  const rows = snapshotsOfOthers(catalog, databaseName, source)
  for (const row of rows) {
    signal.throwIfAborted()
    // Where this deployment has one of that name, the other's gets a number here.
    const name = row.deletedAt === null ? firstFree(row.name, '-', taken => isNameTaken(catalog, databaseName, taken)) : row.name
    await changeMarks(context, row, { source: catalog.source, takeovers: row.takeovers + 1, name }, placesOfOwner(context, row))
    if (name !== row.name) logger.warn({ snapshot: name, before: row.name }, 'A snapshot that was taken over has another name now, as its own was taken')
  }
  const count = rows.filter(({ deletedAt }) => deletedAt === null).length
  if (rows.length > 0) {
    recordNewest(catalog, databaseName)
    logger.warn({ snapshots: count, source }, 'The snapshots of another deployment were taken over')
  }
  return count
}
