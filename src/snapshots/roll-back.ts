import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { RestoreFailedError, SnapshotDamagedError } from '../errors.ts'
import { step } from '../step.ts'
import { applyContent } from './apply-content.ts'
import { checkChangedDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { databaseBytes, folderOf, requireRoom } from './disk-space.ts'
import type { RollbackResult } from './outcomes.ts'
import { forgetChange, type LiveChange } from './record-change.ts'
import { stagedName } from './restore-intent.ts'

/**
 * Brings the content of a pre-restore backup back into the live database, after a safety copy of what is there now. The
 * backup itself stays.
 * @throws FST_SNAPSHOT_DAMAGED where the backup is not what it was; FST_SNAPSHOT_RESTORE_FAILED where the database is not sound afterwards
 */
export async function rollBack (context: SnapshotContext, backup: string, change: LiveChange): Promise<RollbackResult> {
  const { target, settings: { recoveryDir } } = context
  const staged = context.temporaryFile(stagedName(change.id))
  const bytes = databaseBytes(backup)
  await requireRoom([
    { folder: folderOf(staged), bytes, what: 'a copy of the backup' },
    { folder: recoveryDir, bytes: databaseBytes(target.path), what: 'the copy of what is there now' },
    ...existsSync(folderOf(target.path)) ? [{ folder: folderOf(target.path), bytes, what: 'the write-ahead log' }] : []
  ])
  return await bringBack(context, backup, change, true)
}

/** The same as a part of a change that is recorded already; it is never cancelled, and brings back what there is. */
export async function takeBack (context: SnapshotContext, backup: string): Promise<RollbackResult> {
  const change: LiveChange = { id: randomUUID(), signal: new AbortController().signal, wasThere: true, backup: null, isApplied: false, isRolledBack: false }
  try {
    return await bringBack(context, backup, change, false)
  } finally {
    forgetChange(context, change)
  }
}

async function bringBack (context: SnapshotContext, backup: string, change: LiveChange, mustBeSound: boolean): Promise<RollbackResult> {
  const started = performance.now()
  const { target, logger } = context
  const image = context.temporaryFile(stagedName(change.id))
  const isKnown = await context.runEngine('take-backup', { backup, copy: image }, { signal: change.signal }) // applying may change it, and the backup must stay as it is
  step('rollback: staged')
  const found = await context.runEngine('check-integrity', { target: { ...target, path: image }, mode: 'quick' })
  if (!found.isHealthy && !isKnown && mustBeSound) throw new SnapshotDamagedError(`the backup ${backup} is not sound, and there is no checksum to tell whether it was when it was made: ${found.errors.slice(0, 3).join('; ')}`)
  const applied = await applyContent(context, change, { image, name: backup, mayBeUnsound: !found.isHealthy, copy: null }, 'pre_rollback')
  step('rollback: applied')
  const integrity = await checkChangedDatabase(context)
  logger.warn({ backup, isHealthy: integrity.isHealthy }, 'The database was rolled back to its content before the restore')
  if (!integrity.isHealthy && found.isHealthy) throw new RestoreFailedError(`the database is not sound after the rollback to ${backup}: ${integrity.errors.slice(0, 3).join('; ')}`)
  return { backup, safetyCopy: change.backup, integrity, ...applied, durationMs: Math.round(performance.now() - started) }
}
