import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { RestoreFailedError, SnapshotDamagedError } from '../errors.ts'
import { checkLiveDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { databaseBytes, folderOf, requireRoom } from './disk-space.ts'
import { applyContent } from './apply-content.ts'
import type { RollbackResult } from './outcomes.ts'
import type { LiveChange } from './record-change.ts'
import { removeDatabase } from './remove-database.ts'
import { forgetIntent, stagedName } from './restore-intent.ts'

/**
 * Brings the content of a pre-restore backup back into the live database, after a safety copy of what is there now. The
 * backup itself stays.
 * @param asked where the rollback is a change of its own, and no part of one that failed
 * @throws FST_SNAPSHOT_DAMAGED where the backup is not what it was; FST_SNAPSHOT_RESTORE_FAILED where the database is not sound afterwards
 */
export async function rollBack (context: SnapshotContext, backup: string, asked?: LiveChange): Promise<RollbackResult> {
  const change = asked ?? ownChange()
  const started = performance.now()
  const { target, logger, settings: { recoveryDir } } = context
  const image = context.temporaryFile(stagedName(change.id))
  try {
    if (asked !== undefined) await requireRoomFor(context, backup)
    const isKnown = await context.runEngine('take-backup', { backup, copy: image }, { signal: change.signal }) // applying may change it, and the backup must stay as it is
    const found = await context.runEngine('check-integrity', { target: { ...target, path: image }, mode: 'quick' })
    if (!found.isHealthy && !isKnown && asked !== undefined) throw new SnapshotDamagedError(`the backup ${backup} is not sound, and there is no checksum to tell whether it was when it was made: ${found.errors.slice(0, 3).join('; ')}`)
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

/** Its copy, the safety copy of what is there, and the write-ahead log. */
async function requireRoomFor ({ temporaryDir, target, settings: { recoveryDir } }: SnapshotContext, backup: string): Promise<void> {
  const bytes = databaseBytes(backup)
  await requireRoom([
    { folder: temporaryDir, bytes, what: 'a copy of the backup' },
    { folder: recoveryDir, bytes: databaseBytes(target.path), what: 'the copy of what is there now' },
    ...existsSync(folderOf(target.path)) ? [{ folder: folderOf(target.path), bytes, what: 'the write-ahead log' }] : []
  ])
}

/** A part of a change that is recorded already; it is never cancelled. */
function ownChange (): LiveChange {
  return { id: randomUUID(), signal: new AbortController().signal, wasThere: true, backup: null, isApplied: false, isRolledBack: false }
}
