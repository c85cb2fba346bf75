import { statfs } from 'node:fs/promises'
import { lastIntegrityCheck, type IntegrityRow } from '../catalog/integrity-checks.ts'
import { countSnapshots, oldestCreatedAt, storedBytes } from '../catalog/inventory.ts'
import { readMetrics } from '../catalog/metric-values.ts'
import { countIncomplete, type ReplicaCount } from '../catalog/replicas.ts'
import { restoresUnderWay } from '../catalog/restores.ts'
import type { RestoreRow, SnapshotStatus } from '../catalog/schema.ts'
import { readStorage } from '../catalog/storage-states.ts'
import type { ScheduledJob } from '../options-schedule.ts'
import type { SnapshotContext } from '../snapshots/context.ts'

/** A database whose metrics are shown. */
export interface MetricsSource {
  context: SnapshotContext
  /** When each scheduled job runs next, in Unix seconds. */
  nextRuns: () => Map<ScheduledJob, number>
}

/** What a storage had when it was read. */
export interface StorageReading {
  name: string
  incomplete: ReplicaCount[]
  /** Null before the first thing was asked of it. */
  isUp: boolean | null
  usedBytes: number
}

/** What all metrics of a database show at one scrape: read once, as a scrape has dozens of them and an application many databases. */
export interface Reading {
  database: string
  /** What the catalog counted or noted under the metric's name, by label. */
  recorded: (metric: string) => Map<string, number>
  statuses: Map<SnapshotStatus, number>
  oldestCreatedAt: string | undefined
  changes: RestoreRow[]
  storages: StorageReading[]
  integrity: IntegrityRow | undefined
  nextRuns: Map<ScheduledJob, number>
  /** NaN where the disk cannot be asked. */
  freeBytes: number
}

export async function readSource ({ context: { catalog, storages, settings: { databaseName: database, snapshotDir } }, nextRuns }: MetricsSource): Promise<Reading> {
  const recorded = readMetrics(catalog, database)
  const incomplete = countIncomplete(catalog, database)
  const reading = {
    database,
    recorded: (metric: string) => recorded.get(metric) ?? new Map(),
    statuses: countSnapshots(catalog, database),
    oldestCreatedAt: oldestCreatedAt(catalog, database),
    changes: restoresUnderWay(catalog, database),
    storages: storages.map(({ storage: { name } }) => ({
      name,
      incomplete: incomplete.filter(({ storage }) => storage === name),
      isUp: readStorage(catalog, database, name)?.isUp ?? null,
      usedBytes: storedBytes(catalog, database, name)
    })),
    integrity: lastIntegrityCheck(catalog, database),
    nextRuns: nextRuns()
  }
  return { ...reading, freeBytes: await statfs(snapshotDir).then(({ bavail, bsize }) => bavail * bsize, () => NaN) }
}
