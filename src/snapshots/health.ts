import { lastIntegrityCheck } from '../catalog/integrity-checks.ts'
import { lastEndedCreation } from '../catalog/snapshots.ts'
import { foundMissing } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import type { Health } from './outcomes.ts'

/** The state of the database and its snapshots, from the catalog alone: cheap enough for every probe. */
export function healthOf ({ catalog, target, settings: { databaseName: database } }: SnapshotContext): Health {
  const integrity = lastIntegrityCheck(catalog, database)
  const creation = lastEndedCreation(catalog, database)
  if (integrity?.isHealthy === false) {
    const what = foundMissing(integrity, target.path) ? 'was missing' : 'failed its integrity check'
    return { status: 'unhealthy', database, reasons: integrity.errors.map(error => `The database ${what} at ${integrity.checkedAt}: ${error}`) }
  }
  const reasons: string[] = []
  if (creation?.status === 'FAILED') reasons.push(`The last snapshot failed at ${String(creation.completedAt)}: ${String(creation.error?.message)}`)
  if (!catalog.isSaved) reasons.push('The catalog cannot be written; its changes are kept in memory until the disk takes them')
  return { status: reasons.length === 0 ? 'ok' : 'degraded', database, reasons }
}
