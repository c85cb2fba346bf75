import { recorded, single, type Definition } from './definition.ts'
import type { StorageReading } from './reading.ts'

const STATUSES = ['CREATING', 'COMPLETED', 'SUCCESS', 'FAILED'] as const
const CHANGES = ['restore', 'tables', 'rollback', 'reset'] as const

const seconds = (time: string | undefined): number => Math.floor(Date.parse(time ?? '1970-01-01') / 1000)

const ofStorages = (name: string, help: string, valueOf: (storage: StorageReading) => number): Definition => ({
  name,
  help,
  labels: ['storage'],
  samples: ({ storages }) => storages.map(storage => [{ storage: storage.name }, valueOf(storage)])
})

const countReplicas = ({ incomplete }: StorageReading, isPending: boolean): number =>
  incomplete.filter(({ state }) => (state === 'PENDING') === isPending).reduce((sum, { count }) => sum + count, 0)

export const gauges: Definition[] = [
  recorded('snapshot_last_created_timestamp', 'Unix time of the newest completed snapshot, 0 before the first'),
  recorded('snapshot_size_bytes', 'Size of the database image in the newest completed snapshot'),
  recorded('snapshot_stored_bytes', 'Bytes the newest completed snapshot takes in storage'),
  recorded('snapshot_retention_held', 'Snapshots that retention would delete, were the newest one not so much smaller'),
  recorded('snapshot_last_verified_timestamp', 'Unix time of the last verification that passed, 0 before the first'),
  recorded('snapshot_last_drill_timestamp', 'Unix time of the last rehearsed restore, 0 before the first'),
  recorded('snapshot_last_drill_success', '1 if the last rehearsed restore passed, 0 if it failed, NaN before the first', NaN),
  recorded('snapshot_drill_duration_seconds', 'Duration of the last rehearsed restore'),
  {
    name: 'snapshot_oldest_timestamp',
    help: 'Unix time of the oldest snapshot that can be restored, 0 where there is none',
    samples: ({ oldestCreatedAt }) => single(seconds(oldestCreatedAt))
  },
  {
    name: 'snapshots',
    help: 'Snapshots in the list, by status',
    labels: ['status'],
    samples: ({ statuses }) => STATUSES.map(status => [{ status }, statuses.get(status) ?? 0])
  },
  {
    name: 'snapshot_operation_in_progress',
    help: 'Operations under way, in any process',
    labels: ['operation'],
    samples: ({ statuses, changes }) => [
      [{ operation: 'create' }, statuses.get('CREATING') ?? 0],
      ...CHANGES.map((operation): [Record<string, string>, number] => [{ operation }, changes.filter(({ kind }) => kind === operation).length])
    ]
  },
  {
    name: 'snapshot_next_run_timestamp',
    help: 'Unix time at which a job of the schedule runs next',
    labels: ['job'],
    samples: ({ nextRuns }) => [...nextRuns].map(([job, time]) => [{ job }, time])
  },
  {
    name: 'snapshot_disk_free_bytes',
    help: 'Free bytes on the disk of the snapshot folder, NaN where it cannot be asked',
    samples: ({ freeBytes }) => single(freeBytes)
  },
  ofStorages('snapshot_replicas_pending', 'Snapshots that are still to be copied to the storage', storage => countReplicas(storage, true)),
  ofStorages('snapshot_replicas_damaged', 'Copies in the storage that are damaged or missing', storage => countReplicas(storage, false)),
  ofStorages('snapshot_storage_up', '1 if the last thing asked of the storage succeeded, 0 if it failed, NaN before the first', ({ isUp }) => isUp === null ? NaN : Number(isUp)),
  ofStorages('snapshot_storage_used_bytes', 'Bytes that snapshots take in the storage, as far as this deployment stored them', ({ usedBytes }) => usedBytes),
  {
    name: 'database_integrity_healthy',
    help: '1 if the last integrity check passed, 0 if it failed, NaN before the first',
    samples: ({ integrity }) => single(integrity === undefined ? NaN : Number(integrity.isHealthy))
  },
  {
    name: 'database_integrity_last_checked_timestamp',
    help: 'Unix time of the last integrity check, 0 before the first',
    samples: ({ integrity }) => single(seconds(integrity?.checkedAt))
  }
]
