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
  checkedAt: string
  durationMs: number
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
}

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
}
