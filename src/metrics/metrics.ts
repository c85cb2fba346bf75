import { Counter, Gauge, Registry, type Histogram } from 'prom-client'
import { lastIntegrityCheck } from '../catalog/integrity-checks.ts'
import { DURATION_BUCKETS, readMetric } from '../catalog/metric-values.ts'
import { countIncomplete } from '../catalog/replicas.ts'
import { readStorage } from '../catalog/storage-states.ts'
import type { SnapshotContext } from '../snapshots/context.ts'

const RESTORE_OUTCOMES = ['success', 'failed', 'rolled_back']

/**
 * The metrics of one database. Each is read from the catalog when it is scraped, so neither a restart nor a second process
 * resets or splits it, and each is there from the first scrape.
 */
export function snapshotMetrics (context: SnapshotContext): Registry {
  const registry = new Registry()
  counters(context, registry)
  gauges(context, registry)
  storageGauges(context, registry)
  durations(context, registry)
  return registry
}

function counters ({ catalog, settings: { databaseName: database } }: SnapshotContext, registry: Registry): void {
  const plain = { snapshot_creations_total: 'Snapshot creations that ended, failed ones included', snapshot_creation_failures_total: 'Snapshot creations that failed' }
  for (const [name, help] of Object.entries(plain)) {
    registry.registerMetric(new Counter({
      name,
      help,
      labelNames: ['database'],
      registers: [],
      collect () {
        this.reset()
        this.inc({ database }, readMetric(catalog, database, name).get('') ?? 0)
      }
    }))
  }
  registry.registerMetric(new Counter({
    name: 'snapshot_restores_total',
    help: 'Restores that ended, by outcome',
    labelNames: ['database', 'outcome'],
    registers: [],
    collect () {
      const values = readMetric(catalog, database, 'snapshot_restores_total')
      this.reset()
      for (const outcome of RESTORE_OUTCOMES) this.inc({ database, outcome }, values.get(outcome) ?? 0)
    }
  }))
}

function gauges ({ catalog, settings: { databaseName: database } }: SnapshotContext, registry: Registry): void {
  const recorded = (name: string) => (): number => readMetric(catalog, database, name).get('') ?? 0
  const all: Array<[name: string, help: string, read: () => number]> = [
    ['snapshot_last_created_timestamp', 'Unix time of the newest completed snapshot, 0 before the first', recorded('snapshot_last_created_timestamp')],
    ['snapshot_size_bytes', 'Size of the database image in the newest completed snapshot', recorded('snapshot_size_bytes')],
    ['snapshot_stored_bytes', 'Bytes the newest completed snapshot takes in storage', recorded('snapshot_stored_bytes')],
    ['database_integrity_healthy', '1 if the last integrity check passed, 0 if it failed, NaN before the first', () => {
      const check = lastIntegrityCheck(catalog, database)
      return check === undefined ? NaN : Number(check.isHealthy)
    }],
    ['database_integrity_last_checked_timestamp', 'Unix time of the last integrity check, 0 before the first', () => Math.floor(Date.parse(lastIntegrityCheck(catalog, database)?.checkedAt ?? '1970-01-01') / 1000)]
  ]
  for (const [name, help, read] of all) {
    registry.registerMetric(new Gauge({ name, help, labelNames: ['database'], registers: [], collect () { this.set({ database }, read()) } }))
  }
}

/** Of each storage. */
function storageGauges (context: SnapshotContext, registry: Registry): void {
  const { catalog, settings: { databaseName: database } } = context
  const pending = (storage: string): number => countIncomplete(catalog, database).find(of => of.storage === storage && of.state === 'PENDING')?.count ?? 0
  const isUp = (storage: string): number => {
    const known = readStorage(catalog, database, storage)?.isUp ?? null
    return known === null ? NaN : Number(known)
  }
  const all: Array<[name: string, help: string, read: (storage: string) => number]> = [
    ['snapshot_replicas_pending', 'Snapshots that are still to be copied to the storage', pending],
    ['snapshot_storage_up', '1 if the last thing asked of the storage succeeded, 0 if it failed, NaN before the first', isUp]
  ]
  for (const [name, help, read] of all) {
    registry.registerMetric(new Gauge({
      name,
      help,
      labelNames: ['database', 'storage'],
      registers: [],
      collect () {
        for (const { storage } of context.storages) this.set({ database, storage: storage.name }, read(storage.name))
      }
    }))
  }
}

function durations ({ catalog, settings: { databaseName: database } }: SnapshotContext, registry: Registry): void {
  const all = { snapshot_creation_duration_seconds: 'Duration of completed snapshot creations', snapshot_restore_duration_seconds: 'Duration of successful restores' }
  for (const [name, help] of Object.entries(all)) {
    const sample = (metricName: string, values: Map<string, number>, label: string, le?: number | string) => ({ metricName, value: values.get(label) ?? 0, labels: { database, ...(le !== undefined && { le }) } })
    // A Histogram of prom-client can only add observations; these were added up in the catalog.
    const metric = {
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      get: async () => {
        const recorded = readMetric(catalog, database, name)
        const values = [
          ...DURATION_BUCKETS.map(bound => sample(`${name}_bucket`, recorded, String(bound), bound)),
          sample(`${name}_bucket`, recorded, 'count', '+Inf'),
          sample(`${name}_sum`, recorded, 'sum'),
          sample(`${name}_count`, recorded, 'count')
        ]
        return { name, help, type: 'histogram', aggregator: 'sum', values }
      }
    }
    registry.registerMetric(metric as unknown as Histogram)
  }
}
