import type { SalvageReport } from '../engine/salvage/report.ts'
import type { RestoredTable, RestoreMode, StaleIndex } from '../engine/tables/reports.ts'
import type { Snapshot } from './snapshot.ts'

/*
 * What the public methods report. Plain types in a file of their own: beside the code that makes them, applications would
 * need the types of Drizzle and better-sqlite3 to compile.
 */

/** Outcome of an integrity check of the live database. */
export interface DatabaseIntegrity {
  /** Name of the database. */
  database: string
  isHealthy: boolean
  /** What is damaged, in SQLite's words; at most 100. */
  errors: string[]
  /** What SQLite cannot judge outside the application, such as an index on a function that only the application has. */
  unchecked: string[]
  checkedAt: string
  durationMs: number
}

/** Outcome of reading back everything stored of a snapshot. */
export interface Verification {
  /** Name of the snapshot. */
  snapshot: string
  id: string
  /** Whether every stored byte is what was written, and together they are the database image. */
  isHealthy: boolean
  errors: string[]
  /** The same for each storage that has it. */
  replicas: ReplicaVerification[]
  checkedAt: string
  durationMs: number
}

/** Outcome of reading back what one storage has of a snapshot. */
export interface ReplicaVerification {
  storage: string
  /** Null where the storage could not be read, which says nothing of the snapshot. */
  isHealthy: boolean | null
  errors: string[]
}

/** What was found in the storages. */
export interface RebuildResult {
  /** Snapshots that the catalog did not know. */
  added: number
  storages: StorageFindings[]
}

/** What was found in one storage. */
export interface StorageFindings {
  storage: string
  /** Snapshots that have a manifest there. */
  snapshots: number
  added: number
  /** Manifests that make no sense, or are of a newer version of this package. They are left as they are. */
  unreadable: Array<{ storage: string, key: string, error: string }>
  /** Why the storage could not be read, or null. */
  error: string | null
}

/** What a successful restore reports. */
export interface RestoreResult {
  status: 'SUCCESS'
  snapshot: Snapshot
  restoreId: string
  /** The content from before, a plain database file; null where there was no database. */
  preRestoreBackup: string | null
  durationMs: number
  /** For how much of that the application's writers had to wait. */
  lockedMs: number
  /** What was done where SQLite could not change the content of the file; null where it could. */
  replacement: FileReplacement | null
}

/** A live database whose file was replaced by another. */
export interface FileReplacement {
  /** Path of the database. */
  path: string
  /** Why its content could not be changed. */
  reason: string
  /** The folder that the old files are in, as they were; null before they were moved. */
  quarantine: string | null
  /** Ids of processes that still have the old file open, and would write to nowhere: they must open the database again. Found on Linux only. */
  heldBy: number[]
}

/** What a restore of tables reports. */
export interface TablesRestoreResult {
  /** Name of the snapshot. */
  snapshot: string
  mode: RestoreMode
  restoreId: string
  preRestoreBackup: string
  tables: RestoredTable[]
  /** Full-text indexes of the tables' content that could not be made anew. */
  staleIndexes: StaleIndex[]
  durationMs: number
  /** For how much of that the application's writers had to wait. */
  lockedMs: number
}

/** What a rollback reports. */
export interface RollbackResult {
  /** Path of the backup that the database has the content of. */
  backup: string
  /** The content until then, a plain database file; null where there was none that could be read. */
  safetyCopy: string | null
  integrity: DatabaseIntegrity
  lockedMs: number
  replacement: FileReplacement | null
  durationMs: number
}

/** A content from before a restore, a rollback or a reset, that was kept. */
export interface PreRestoreBackup {
  /** By which {@link SnapshotRecovery.rollback} knows it. */
  name: string
  path: string
  kind: 'pre_restore' | 'pre_rollback' | 'pre_reset'
  createdAt: string
  size: number
  /** Name of the snapshot that was restored, where that is known. */
  snapshot: string | null
  restoreId: string | null
}

/** What {@link SnapshotRecovery.recoverFromFailedRestore} reports. */
export interface RecoveryResult {
  /** Name of the snapshot whose restore had failed. */
  snapshot: string
  restoreId: string
  /** False where the database had its old content already, or was changed again since. */
  isRolledBack: boolean
  /** The last change of the database that succeeded since that restore, if any: what it brought is what there is, and stays. */
  supersededBy: RecordedRestore | null
  /** The backup of that restore; null where it came to none, as nothing was changed. */
  backup: string | null
  /** The content until the rollback. */
  safetyCopy: string | null
  integrity: DatabaseIntegrity
}

/** What could be saved of a damaged database. */
export interface SalvageResult extends SalvageReport {
  /** Path of the new database. */
  path: string
}

/** What {@link SnapshotRecovery.emergencyDatabaseReset} reports. */
export interface ResetResult {
  restoreId: string
  /** Name of the snapshot the database has the content of; null for an empty one. */
  snapshot: string | null
  /** The folder with the old files, as they were; null where there were none. */
  quarantine: string | null
  /** Snapshots that were passed over, and why. */
  skipped: Array<{ snapshot: string, reason: string }>
  integrity: DatabaseIntegrity
  replacement: FileReplacement | null
  durationMs: number
}

/** One restore, rollback or reset, as it was recorded. */
export interface RecordedRestore {
  id: string
  kind: 'restore' | 'tables' | 'rollback' | 'reset'
  snapshot: string
  status: string
  /** When each status was reached. */
  times: Record<string, string>
  preRestoreBackup: string | null
  error: { code: string, message: string } | null
}

/** Why an application takes no changes, and since when. */
export interface Maintenance { reason: string, since: string }

/** What a successful restore to a file reports. */
export interface FileRestoreResult {
  snapshot: Snapshot
  /** Absolute path of the database file. */
  path: string
  durationMs: number
}

export interface Health {
  /** `unhealthy`: the database failed its last check. `degraded`: it is fine, its snapshots are not. */
  status: 'ok' | 'degraded' | 'unhealthy'
  /** Name of the database. */
  database: string
  reasons: string[]
  /** While the application takes no changes. */
  maintenance: Maintenance | null
  storages: StorageHealth[]
  /** Other deployments that have snapshots of a database of this name in the same place. */
  sources: Array<{ id: string, host: string | null, snapshots: number }>
}

/** What is known of a storage, without asking it. */
export interface StorageHealth {
  storage: string
  /** Whether the last thing asked of it succeeded; null before the first. */
  isUp: boolean | null
  checkedAt: string | null
  /** Why it failed. */
  error: { code: string, message: string } | null
  /** Snapshots that are still to be copied there. */
  pending: number
  /** Copies there that are damaged or missing. */
  damaged: number
}
