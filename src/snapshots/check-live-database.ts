import { recordIntegrityCheck } from '../catalog/integrity-checks.ts'
import type { CheckMode, FileReport } from '../engine/check-integrity.ts'
import type { SnapshotContext } from './context.ts'

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

/**
 * Checks the live database and keeps the outcome for health and metrics.
 * @throws FST_SNAPSHOT_DATABASE_LOCKED, FST_SNAPSHOT_DATABASE_UNWRITABLE: it could not be judged
 */
export async function checkLiveDatabase (context: SnapshotContext, mode: CheckMode, signal?: AbortSignal): Promise<DatabaseIntegrity & Pick<FileReport, 'schemaCookie'>> {
  const { catalog, target, settings: { databaseName } } = context
  const started = performance.now()
  const { isHealthy, errors, unchecked, schemaCookie } = await context.runEngine('check-integrity', { target, mode }, signal && { signal })
  const integrity: DatabaseIntegrity = {
    database: databaseName,
    isHealthy,
    errors,
    unchecked,
    checkedAt: new Date().toISOString(),
    durationMs: Math.round(performance.now() - started)
  }
  recordIntegrityCheck(catalog, integrity)
  return { ...integrity, schemaCookie }
}
