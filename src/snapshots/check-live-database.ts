import { recordIntegrityCheck } from '../catalog/integrity-checks.ts'
import type { CheckMode } from '../engine/check-integrity.ts'
import { DatabaseMissingError } from '../errors.ts'
import { tellHook } from './call-hook.ts'
import type { SnapshotContext } from './context.ts'
import { noteJobDone } from './note-job-done.ts'
import type { DatabaseIntegrity } from './outcomes.ts'

/**
 * Checks the live database and keeps the outcome for health and metrics.
 * @throws FST_SNAPSHOT_DATABASE_LOCKED, FST_SNAPSHOT_DATABASE_UNWRITABLE: it could not be judged
 */
export async function checkLiveDatabase (context: SnapshotContext, mode: CheckMode, signal?: AbortSignal, foreignKeys = false): Promise<DatabaseIntegrity> {
  const { catalog, target, settings: { databaseName } } = context
  const started = performance.now()
  const { isHealthy, errors, unchecked } = await context.runEngine('check-integrity', { target, mode, foreignKeys }, signal && { signal })
  const integrity: DatabaseIntegrity = {
    database: databaseName,
    isHealthy,
    errors,
    unchecked,
    checkedAt: new Date().toISOString(),
    durationMs: Math.round(performance.now() - started)
  }
  recordIntegrityCheck(catalog, integrity)
  noteJobDone(context, 'integrity')
  if (!isHealthy) tellHook(context, 'onIntegrityFailed', integrity)
  return integrity
}

/** The same once more where the first try died: a process that was killed says nothing of the database. */
export async function checkChangedDatabase (context: SnapshotContext): Promise<DatabaseIntegrity> {
  return await checkLiveDatabase(context, 'quick').catch(async () => await checkLiveDatabase(context, 'quick'))
}

/** Whether a check found no file at a path: that is unhealthy, too, yet nothing was checked and nothing is damaged. */
export function foundMissing ({ errors }: Pick<DatabaseIntegrity, 'errors'>, path: string): boolean {
  return errors[0] === new DatabaseMissingError(path).message
}
