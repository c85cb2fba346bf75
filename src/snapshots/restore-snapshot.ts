import { mkdirSync } from 'node:fs'
import { USABLE, type SnapshotRow } from '../catalog/schema.ts'
import { findById } from '../catalog/snapshots.ts'
import { messageOf, NotRestorableError, RestoreFailedError, SnapshotDamagedError } from '../errors.ts'
import { callHookInTime, tellHook } from './call-hook.ts'
import type { SnapshotContext } from './context.ts'
import { databaseBytes, folderOf, requireRoom } from './disk-space.ts'
import { goLive } from './go-live.ts'
import { beginCopy, discardCopy, type BulkCopy } from './live-content.ts'
import { migrateStaged } from './migrate-staged.ts'
import type { RestoreResult } from './outcomes.ts'
import { removeOldBackups } from './pre-restore-backups.ts'
import { advance, recordedChange, UNCHANGED, type LiveChange } from './record-change.ts'
import { fromReplicas } from './replicas/read-replica.ts'
import { stagedName } from './restore-intent.ts'
import { toSnapshot } from './snapshot.ts'
import { readManifest, stage } from './stored-snapshot.ts'

/** @throws FST_SNAPSHOT_NOT_RESTORABLE */
export function requireRestorable ({ name, status, integrity }: SnapshotRow, allowDamaged: boolean): void {
  if (!USABLE.includes(status)) throw new NotRestorableError(name, `its status is ${status}`)
  if (integrity === 'failed' && !allowDamaged) throw new NotRestorableError(name, 'it is of a damaged database, kept as evidence; choose an earlier one. You can still download it, or restore it from a script: restoreFromSnapshot(name, { allowDamaged: true })')
}

/**
 * Replaces the content of the live database by a snapshot's. Up to the write lock a failure leaves the database untouched;
 * once something was applied, a failure brings the old content back.
 */
export async function restoreSnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<RestoreResult> {
  const { catalog, logger } = context
  const restored = await recordedChange(context, { kind: 'restore', snapshotId: row.id, snapshotName: row.name }, signal, async change => {
    const staging = context.temporaryFile(stagedName(change.id))
    await askHook(context, row, signal)
    const copy = await stageForRestore(context, change, row, staging)
    const applied = await goLive(context, change, { image: staging, name: row.name, mayBeUnsound: row.integrity === 'failed', copy })
    return { ...applied, preRestoreBackup: change.backup }
  })
  const snapshot = toSnapshot(findById(catalog, row.id) as SnapshotRow)
  const { restoreId, preRestoreBackup, durationMs, lockedMs, replacement } = restored
  const result: RestoreResult = { status: 'SUCCESS', snapshot, restoreId, preRestoreBackup, durationMs, lockedMs, replacement }
  logger.info({ snapshot: row.name, preRestoreBackup, durationMs, lockedMs }, 'Snapshot restored')
  removeOldBackups(context, preRestoreBackup)
  tellHook(context, 'onRestored', result)
  return result
}

/** The application may have reasons against it. */
export async function askHook (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<void> {
  try {
    await callHookInTime(context, 'onBeforeRestore', toSnapshot(row), signal)
  } catch (error) {
    signal.throwIfAborted()
    throw new RestoreFailedError(`the hook onBeforeRestore refused it: ${messageOf(error)}${UNCHANGED}`, { cause: error })
  }
}

/**
 * Gets the image out of storage, checks it, and migrates it: nothing of this touches the live database.
 * @returns the copy of the live database that was begun meanwhile, if it was
 */
async function stageForRestore (context: SnapshotContext, change: LiveChange, row: SnapshotRow, staging: string): Promise<BulkCopy | null> {
  const { settings: { recoveryDir }, target } = context
  const { id, signal } = change
  mkdirSync(recoveryDir, { recursive: true, mode: 0o700 })
  mkdirSync(folderOf(target.path), { recursive: true })
  let copy: BulkCopy | null = null
  try {
    await fromReplicas(context, row, async storage => {
      const manifest = await readManifest(storage, row)
      await requireRoom([
        { folder: context.temporaryDir, bytes: manifest.image.size, what: 'the staged snapshot' },
        { folder: recoveryDir, bytes: databaseBytes(target.path), what: 'the pre-restore backup' },
        { folder: folderOf(target.path), bytes: manifest.image.size, what: 'the write-ahead log' }
      ])
      // A copy made while the snapshot comes from afar would be old by the time it is here.
      if (storage.fileOf !== undefined) copy ??= beginCopy(context, id, 'pre_restore', signal)
      const { errors } = await stage(context, storage, manifest, staging, true, signal)
      if (errors.length > 0 && manifest.integrity !== 'failed') throw new SnapshotDamagedError(errors.slice(0, 3).join('; '))
    })
    await migrateStaged(context, staging, signal)
    advance(context, change, 'STAGED')
    return copy
  } catch (error) {
    if (copy !== null) await discardCopy(copy)
    throw error
  }
}
