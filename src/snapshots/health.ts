import { listDrills } from '../catalog/drills.ts'
import { listFailedJobs } from '../catalog/failed-jobs.ts'
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
  let damage: string[] = []
  try {
    damage = damageOf(context)
    return healthIn(context, damage)
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_CANCELLED') throw error
    // The application works all the same, and other databases have nothing to do with it.
    return { status: damage.length > 0 ? 'unhealthy' : 'degraded', database: context.settings.databaseName, reasons: [...damage, messageOf(error)], maintenance: null, storages: [], sources: [] }
  }
}

/** What is wrong with the database, as last checked. */
function damageOf ({ catalog, target, settings: { databaseName } }: SnapshotContext): string[] {
  const integrity = lastIntegrityCheck(catalog, databaseName)
  if (integrity === undefined || integrity.isHealthy) return []
  const what = foundMissing(integrity, target.path) ? 'was missing' : 'failed its integrity check'
  return integrity.errors.map(error => `The database ${what} at ${integrity.checkedAt}: ${error}`)
}

function healthIn (context: SnapshotContext, damage: string[]): Health {
  const { catalog, settings: { databaseName: database } } = context
  const incomplete = countIncomplete(catalog, database)
  const storages = context.storages.map(({ storage }) => healthOfStorage(context, storage.name, incomplete))
  const maintenance = readMaintenance(catalog, database)
  const rest = { database, maintenance, storages, sources: otherSources(catalog, database) }
  if (damage.length > 0) return { status: 'unhealthy', reasons: damage, ...rest }
  const creation = lastEndedCreation(catalog, database)
  const reasons: string[] = []
  if (creation?.status === 'FAILED') reasons.push(`The last snapshot failed at ${String(creation.completedAt)}: ${String(creation.error?.message)}`)
  // A snapshot of the schedule that failed is told already.
  const failedJobs = listFailedJobs(catalog, database).filter(({ job }) => job !== 'snapshots' || creation?.status !== 'FAILED')
  reasons.push(...failedJobs.map(({ failedAt, message }) => `The schedule failed at ${failedAt}: ${message}`))
  if (!catalog.isSaved) reasons.push('The catalog cannot be written; its changes are kept in memory until the disk takes them')
  const drill = listDrills(catalog, database, 1)[0]
  if (drill?.isSuccess === false) reasons.push(`The restore rehearsed at ${drill.startedAt} failed: ${String(drill.error)}`)
  const held = readMetric(catalog, database, 'snapshot_retention_held').get('') ?? 0
  if (held > 0) reasons.push(`Snapshots that retention holds, as the newest one is so much smaller: ${held}. If the database became smaller on purpose, apply the retention with includeHeld`)
  if (maintenance !== null) reasons.push(`The application takes no changes since ${maintenance.since}: ${maintenance.reason}`)
  reasons.push(...storages.flatMap(storage => reasonsOf(storage, incomplete)))
  return { status: reasons.length === 0 ? 'ok' : 'degraded', reasons, ...rest }
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
