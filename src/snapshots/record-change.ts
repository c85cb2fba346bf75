import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { advanceRestore, insertRestore, recordRestoreEnded } from '../catalog/restores.ts'
import type { RestoreKind, RestoreStatus } from '../catalog/schema.ts'
import { removeFresh } from '../engine/apply/own-files.ts'
import { codeOf, messageOf, RestoreFailedError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { isForCallers } from './operation-errors.ts'
import { removeDatabase } from './remove-database.ts'
import { isUnsettled, removeIntent, stagedName } from './restore-intent.ts'
import { step } from '../step.ts'

/** A change of the live database on its way: a restore, a rollback, a reset. */
export interface LiveChange {
  readonly id: string
  readonly signal: AbortSignal
  /** Whether there was a database at all. */
  readonly wasThere: boolean
  /** Path of the content from before, once that is kept. */
  backup: string | null
  /** Whether the live database has the new content, or had it; null where that cannot be told any more. */
  isApplied: boolean | null
  isRolledBack: boolean
}

/** What it is, as the catalog keeps it. */
export interface ChangeOf { kind: RestoreKind, snapshotId: string, snapshotName: string }

export const UNCHANGED = '; the live database is unchanged'

/**
 * Runs a change with its row in the catalog, from the request to the outcome; where this process ends in the middle, the row
 * tells the next one how far it had come.
 */
export async function recordedChange<T> (context: SnapshotContext, of: ChangeOf, signal: AbortSignal, run: (change: LiveChange) => Promise<T>): Promise<T & { restoreId: string, durationMs: number }> {
  const { catalog, target, settings: { databaseName } } = context
  const change: LiveChange = { id: randomUUID(), signal, wasThere: existsSync(target.path), backup: null, isApplied: false, isRolledBack: false }
  insertRestore(catalog, { id: change.id, database: databaseName, ...of, requestedAt: new Date().toISOString() })
  step('change: requested')
  try {
    return await recordedEnd(context, of, change, run)
  } finally {
    forgetChange(context, change)
  }
}

async function recordedEnd<T> (context: SnapshotContext, of: ChangeOf, change: LiveChange, run: (change: LiveChange) => Promise<T>): Promise<T & { restoreId: string, durationMs: number }> {
  const { catalog, logger } = context
  const started = performance.now()
  const end = (): { finishedAt: string, durationMs: number } => ({ finishedAt: new Date().toISOString(), durationMs: Math.round(performance.now() - started) })
  try {
    const result = await run(change)
    step('change: done')
    const ended = end()
    recordRestoreEnded(catalog, change.id, { status: 'SUCCESS', error: null, isApplied: true, preRestoreBackup: change.backup, ...ended })
    step('change: success recorded')
    return { ...result, restoreId: change.id, durationMs: ended.durationMs }
  } catch (error) {
    const explained = explain(error, change)
    recordRestoreEnded(catalog, change.id, { status: change.isRolledBack ? 'ROLLED_BACK' : 'FAILED', isApplied: change.isApplied, preRestoreBackup: change.backup, error: { code: codeOf(explained) as string, message: messageOf(explained) }, ...end() })
    step('change: failure recorded')
    logger.error({ err: error, snapshot: of.snapshotName, preRestoreBackup: change.backup }, `Restore failed: ${messageOf(explained).replace(/^Restore failed: /, '')}`)
    throw explained
  }
}

/**
 * Removes what an interrupted change would be judged by; not before its end is recorded, and not where it is still to be settled.
 * What cannot be removed says nothing of the change.
 */
export function forgetChange ({ temporaryDir, target, logger, settings: { recoveryDir } }: SnapshotContext, change: LiveChange): void {
  try {
    removeDatabase(join(temporaryDir, stagedName(change.id)))
    if (isUnsettled(recoveryDir, change)) return
    removeIntent(recoveryDir, change.id)
    removeFresh(target.path, change.id)
  } catch (error) {
    logger.warn({ err: error }, `Files of a restore that has ended were not removed yet: ${messageOf(error)}`)
  }
}

/** Once something was applied, what an error says of its own is not enough: whoever gets it must know what the database holds now. */
function explain (error: unknown, { isApplied, backup, wasThere }: LiveChange): unknown {
  if (isApplied === false) return isForCallers(error) ? error : new RestoreFailedError(messageOf(error) + (wasThere ? UNCHANGED : ''), { cause: error })
  if (codeOf(error) === 'FST_SNAPSHOT_RESTORE_FAILED') return error
  const outcome = isApplied === true ? 'the new content is in the database' : 'it cannot be told whether the new content is in the database'
  return new RestoreFailedError(`${messageOf(error)}; ${outcome}${backup === null ? '' : `, that from before is in ${backup}`}`, { cause: error })
}

/** Notes how far a change has come, and which snapshot it takes where it has chosen that itself. */
export function advance ({ catalog }: SnapshotContext, { id, backup }: LiveChange, status: RestoreStatus, chosen: Partial<Pick<ChangeOf, 'snapshotId' | 'snapshotName'>> = {}): void {
  advanceRestore(catalog, id, status, { preRestoreBackup: backup, ...chosen })
  step(`change: ${status}`)
}
