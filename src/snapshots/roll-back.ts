import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { RestoreFailedError } from '../errors.ts'
import { checkLiveDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { applyContent } from './apply-content.ts'
import type { RollbackResult } from './outcomes.ts'
import type { LiveChange } from './record-change.ts'
import { removeDatabase } from './remove-database.ts'
import { removeIntent, stagedName } from './restore-intent.ts'
import { step } from '../step.ts'

/**
 * Brings the content of a pre-restore backup back into the live database, after a safety copy of what is there now. The
 * backup itself stays.
 * @throws FST_SNAPSHOT_RESTORE_FAILED when the backup, or the database afterwards, is not sound
 */
export async function rollBack (context: SnapshotContext, backup: string, change: LiveChange): Promise<RollbackResult> {
  const started = performance.now()
  const { target, logger } = context
  const image = context.temporaryFile(stagedName(change.id))
  await copyFile(backup, image, constants.COPYFILE_FICLONE) // applying may change the image, and the backup must stay as it is
  step('rollback: staged')
  const found = await context.runEngine('check-integrity', { target: { ...target, path: image }, mode: 'quick' })
  const applied = await applyContent(context, change, { image, name: backup, mayBeUnsound: !found.isHealthy, copy: null }, 'pre_rollback')
  step('rollback: applied')
  const integrity = await checkLiveDatabase(context, 'quick')
  logger.warn({ backup, isHealthy: integrity.isHealthy }, 'The database was rolled back to its content before the restore')
  if (!integrity.isHealthy && found.isHealthy) throw new RestoreFailedError(`the database is not sound after the rollback to ${backup}: ${integrity.errors.slice(0, 3).join('; ')}`)
  return { backup, safetyCopy: change.backup, integrity, ...applied, durationMs: Math.round(performance.now() - started) }
}

/** The same as a part of a change that is recorded already; it is never cancelled. */
export async function takeBack (context: SnapshotContext, backup: string): Promise<RollbackResult> {
  const change: LiveChange = { id: randomUUID(), signal: new AbortController().signal, wasThere: true, backup: null, isApplied: false, isRolledBack: false }
  try {
    return await rollBack(context, backup, change)
  } finally {
    removeDatabase(context.temporaryFile(stagedName(change.id)))
    removeIntent(context.settings.recoveryDir, change.id)
  }
}
