import type { Catalog } from '../catalog/catalog.ts'
import { listDrills } from '../catalog/drills.ts'
import { listFailedJobs, type FailedJob } from '../catalog/failed-jobs.ts'
import { lastIntegrityCheck } from '../catalog/integrity-checks.ts'
import { readMetric } from '../catalog/metric-values.ts'
import { countIncomplete, type ReplicaCount } from '../catalog/replicas.ts'
import { readMaintenance } from '../catalog/maintenance.ts'
import { lastEndedCreation, otherSources } from '../catalog/snapshots.ts'
import { readStorage } from '../catalog/storage-states.ts'
import { codeOf, messageOf } from '../errors.ts'
import { foundMissing } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import type { Health, StorageHealth } from './outcomes.ts'

/** A copy that has not been made for so long is worth a word even where the storage works. */
const LATE_MS = 15 * 60_000

/** The state of the database and its snapshots, from the catalog alone: cheap enough for every probe. */
export function healthOf (context: SnapshotContext): Health {
  try {
    return healthIn(context)
  } catch (error) {
    if (codeOf(error) !== 'FST_SNAPSHOT_CATALOG_UNUSABLE') throw error
    // The application works all the same, and other databases have nothing to do with it.
    return { status: 'degraded', database: context.settings.databaseName, reasons: [messageOf(error)], maintenance: null, storages: [], sources: [] }
  }
}

function healthIn (context: SnapshotContext): Health {
  const { catalog, target, settings: { databaseName: database } } = context
  const integrity = lastIntegrityCheck(catalog, database)
  const incomplete = countIncomplete(catalog, database)
  const storages = context.storages.map(({ storage }) => healthOfStorage(context, storage.name, incomplete))
  const maintenance = readMaintenance(catalog, database)
  const rest = { database, maintenance, storages, sources: otherSources(catalog, database) }
  if (integrity?.isHealthy === false) {
    const what = foundMissing(integrity, target.path) ? 'was missing' : 'failed its integrity check'
    return { status: 'unhealthy', reasons: integrity.errors.map(error => `The database ${what} at ${integrity.checkedAt}: ${error}`), ...rest }
  }
  const drill = listDrills(catalog, database, 1)[0]
  const creation = lastEndedCreation(catalog, database)
  const reasons = reasonsOfSchedule(catalog, database, { snapshots: creation?.createdAt, integrity: integrity?.checkedAt, drill: drill?.startedAt })
  if (creation?.status === 'FAILED') reasons.push(`The last snapshot failed at ${String(creation.completedAt)}: ${String(creation.error?.message)}`)
  if (!catalog.isSaved) reasons.push('The catalog cannot be written; its changes are kept in memory until the disk takes them')
  if (drill?.isSuccess === false) reasons.push(`The restore rehearsed at ${drill.startedAt} failed: ${String(drill.error)}`)
  const held = readMetric(catalog, database, 'snapshot_retention_held').get('') ?? 0
  if (held > 0) reasons.push(`Snapshots that retention holds, as the newest one is so much smaller: ${held}. If the database became smaller on purpose, apply the retention with includeHeld`)
  if (maintenance !== null) reasons.push(`The application takes no changes since ${maintenance.since}: ${maintenance.reason}`)
  reasons.push(...storages.flatMap(storage => reasonsOf(storage, incomplete)))
  return { status: reasons.length === 0 ? 'ok' : 'degraded', reasons, ...rest }
}

/** Jobs that failed when they last ran, but for those that were done since, be it by hand; what failed in them is told by itself. */
function reasonsOfSchedule (catalog: Catalog, database: string, doneAt: Record<string, string | undefined>): string[] {
  const isLatest = ({ job, startedAt }: FailedJob): boolean => (doneAt[job] ?? '') < startedAt
  return listFailedJobs(catalog, database).filter(isLatest).map(({ failedAt, message }) => `The schedule failed at ${failedAt}: ${message}`)
}

function healthOfStorage ({ catalog, settings: { databaseName } }: SnapshotContext, storage: string, incomplete: readonly ReplicaCount[]): StorageHealth {
  const { isUp = null, checkedAt = null, error = null } = readStorage(catalog, databaseName, storage) ?? {}
  const count = (isCounted: (of: ReplicaCount) => boolean): number => incomplete.filter(of => of.storage === storage && isCounted(of)).reduce((sum, { count }) => sum + count, 0)
  return { storage, isUp, checkedAt, error, pending: count(({ state }) => state === 'PENDING'), damaged: count(({ state }) => state !== 'PENDING') }
}

function reasonsOf ({ storage, isUp, checkedAt, error, pending, damaged }: StorageHealth, incomplete: readonly ReplicaCount[]): string[] {
  const oldest = incomplete.find(of => of.storage === storage && of.state === 'PENDING')?.oldest
  const isLate = oldest !== undefined && Date.now() - Date.parse(oldest) > LATE_MS
  return [
    ...isUp === false ? [`Storage ${storage} failed at ${String(checkedAt)}: ${String(error?.message)}`] : [],
    ...pending > 0 && (isUp === false || isLate) ? [`Snapshots that are not in storage ${storage} yet: ${pending}, the oldest of ${String(oldest)}`] : [],
    ...damaged > 0 ? [`Copies in storage ${storage} that are damaged or missing: ${damaged}`] : []
  ]
}
