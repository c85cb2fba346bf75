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
import { forgetIntent, stagedName } from './restore-intent.ts'

/**
 * Brings the content of a pre-restore backup back into the live database, after a safety copy of what is there now. The
 * backup itself stays.
 * @param change where the rollback is a change of its own
 * @throws FST_SNAPSHOT_RESTORE_FAILED when the backup, or the database afterwards, is not sound
 */
export async function rollBack (context: SnapshotContext, backup: string, change: LiveChange = ownChange()): Promise<RollbackResult> {
  const started = performance.now()
  const { target, logger, settings: { recoveryDir } } = context
  const image = context.temporaryFile(stagedName(change.id))
  try {
    await copyFile(backup, image, constants.COPYFILE_FICLONE) // applying may change the image, and the backup must stay as it is
    const found = await context.runEngine('check-integrity', { target: { ...target, path: image }, mode: 'quick' })
    const applied = await applyContent(context, change, { image, name: backup, mayBeUnsound: !found.isHealthy, copy: null }, 'pre_rollback')
    const integrity = await checkLiveDatabase(context, 'quick')
    logger.warn({ backup, isHealthy: integrity.isHealthy }, 'The database was rolled back to its content before the restore')
    if (!integrity.isHealthy && found.isHealthy) throw new RestoreFailedError(`the database is not sound after the rollback to ${backup}: ${integrity.errors.slice(0, 3).join('; ')}`)
    return { backup, safetyCopy: change.backup, integrity, ...applied, durationMs: Math.round(performance.now() - started) }
  } finally {
    removeDatabase(image)
    forgetIntent(recoveryDir, change)
  }
}

/** A part of a change that is recorded already; it is never cancelled. */
function ownChange (): LiveChange {
  return { id: randomUUID(), signal: new AbortController().signal, wasThere: true, backup: null, isApplied: false, isRolledBack: false }
}
