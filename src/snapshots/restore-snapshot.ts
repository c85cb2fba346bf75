import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { insertRestore, recordRestoreEnded, updateRestore } from '../catalog/restores.ts'
import { USABLE, type SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { codeOf, messageOf, NotRestorableError, RestoreFailedError, SnapshotDamagedError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { databaseBytes, folderOf, requireRoom } from './disk-space.ts'
import { checkLiveDatabase, foundMissing } from './check-live-database.ts'
import { beginCopy, discardCopy, replaceLiveContent, type BulkCopy } from './live-content.ts'
import { isForCallers } from './operation-errors.ts'
import type { RestoreResult } from './outcomes.ts'
import { removeDatabase } from './remove-database.ts'
import { fromReplicas } from './replicas/read-replica.ts'
import { readIntent, removeIntent } from './restore-intent.ts'
import { rollBack } from './roll-back.ts'
import { toSnapshot } from './snapshot.ts'
import { readManifest, stage } from './stored-snapshot.ts'

/** One restore on its way. */
interface Restore { id: string, row: SnapshotRow, staging: string, signal: AbortSignal, copy: BulkCopy | null, backup: string | null, wasThere: boolean, isApplied: boolean, isRolledBack: boolean }

const UNCHANGED = '; the live database is unchanged'

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
  const id = randomUUID()
  const restore: Restore = { id, row, staging: context.temporaryFile(`restore-${id}.db`), signal, copy: null, backup: null, wasThere: existsSync(context.target.path), isApplied: false, isRolledBack: false }
  try {
    return await recordedRestore(context, restore)
  } finally {
    if (restore.copy !== null) await discardCopy(restore.copy)
    removeDatabase(restore.staging)
    removeIntent(context.settings.recoveryDir, id)
  }
}

/** The restore with its row in the catalog, from the request to the outcome. */
async function recordedRestore (context: SnapshotContext, restore: Restore): Promise<RestoreResult> {
  const { catalog, logger, settings: { databaseName } } = context
  const { id, row } = restore
  const started = performance.now()
  const end = (): { finishedAt: string, durationMs: number } => ({ finishedAt: new Date().toISOString(), durationMs: Math.round(performance.now() - started) })
  insertRestore(catalog, { id, database: databaseName, snapshotId: row.id, snapshotName: row.name, requestedAt: new Date().toISOString() })
  try {
    await stageForRestore(context, restore)
    const { lockedMs } = await goLive(context, restore)
    const ended = end()
    recordRestoreEnded(catalog, id, { status: 'SUCCESS', error: null, ...ended })
    const restored = updateSnapshotRow(catalog, row.id, { status: 'SUCCESS', lastRestoredAt: ended.finishedAt }) as SnapshotRow
    logger.info({ snapshot: row.name, preRestoreBackup: restore.backup, durationMs: ended.durationMs, lockedMs }, 'Snapshot restored')
    return { status: 'SUCCESS', snapshot: toSnapshot(restored), restoreId: id, preRestoreBackup: restore.backup, durationMs: ended.durationMs, lockedMs }
  } catch (error) {
    const explained = isForCallers(error) ? error : new RestoreFailedError(messageOf(error) + (restore.wasThere && !restore.isApplied ? UNCHANGED : ''), { cause: error })
    recordRestoreEnded(catalog, id, { status: restore.isRolledBack ? 'ROLLED_BACK' : 'FAILED', error: { code: codeOf(explained) as string, message: messageOf(explained) }, ...end() })
    logger.error({ err: error, snapshot: row.name, preRestoreBackup: restore.backup }, `Restore failed: ${messageOf(explained).replace(/^Restore failed: /, '')}`)
    throw explained
  }
}

/** Gets the image out of storage, checks it, and migrates it: nothing of this touches the live database. */
async function stageForRestore (context: SnapshotContext, restore: Restore): Promise<void> {
  const { catalog, settings, target } = context
  mkdirSync(settings.recoveryDir, { recursive: true, mode: 0o700 })
  mkdirSync(folderOf(target.path), { recursive: true })
  await fromReplicas(context, restore.row, async storage => {
    const manifest = await readManifest(storage, restore.row)
    await requireRoom([
      { folder: context.temporaryDir, bytes: manifest.image.size, what: 'the staged snapshot' },
      { folder: settings.recoveryDir, bytes: databaseBytes(target.path), what: 'the pre-restore backup' },
      { folder: folderOf(target.path), bytes: manifest.image.size, what: 'the write-ahead log' }
    ])
    // A copy made while the snapshot comes from afar would be old by the time it is here.
    if (storage.fileOf !== undefined) restore.copy ??= beginCopy(context, restore.id, 'pre_restore', restore.signal)
    const { errors } = await stage(context, storage, manifest, restore.staging, true, restore.signal)
    if (errors.length > 0 && manifest.integrity !== 'failed') throw new SnapshotDamagedError(errors.slice(0, 3).join('; '))
  })
  await migrateStaged(context, restore)
  updateRestore(catalog, restore.id, { status: 'STAGED' })
}

async function migrateStaged (context: SnapshotContext, { staging, signal }: Restore): Promise<void> {
  const { settings: { migrations, migrate }, target } = context
  if (migrations === undefined && migrate === undefined) return
  try {
    if (migrations !== undefined) await context.runEngine('migrate', { file: staging, folder: migrations.folder }, { signal })
    if (migrate !== undefined) await unlessAborted(migrate(staging, signal), signal)
  } catch (error) {
    signal.throwIfAborted()
    throw new RestoreFailedError(`the migrations could not be applied to the snapshot: ${messageOf(error)}${UNCHANGED}`, { cause: error })
  }
  const { isHealthy, errors } = await context.runEngine('check-integrity', { target: { ...target, path: staging }, mode: 'quick' }, { signal })
  if (!isHealthy) throw new RestoreFailedError(`the migrations damaged the snapshot: ${errors.slice(0, 3).join('; ')}${UNCHANGED}`)
}

/** Waits for the application's own work, which may never end, no longer than the signal allows. */
async function unlessAborted (work: void | Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => { aborted.reject(signal.reason) }
  signal.addEventListener('abort', abort, { once: true })
  await Promise.race([work, aborted.promise]).finally(() => { signal.removeEventListener('abort', abort) })
}

async function goLive (context: SnapshotContext, restore: Restore): Promise<{ lockedMs: number }> {
  const { catalog } = context
  try {
    const { backup, lockedMs } = await replaceLiveContent(context, {
      id: restore.id,
      image: restore.staging,
      name: restore.row.name,
      copy: restore.copy ??= beginCopy(context, restore.id, 'pre_restore', restore.signal),
      signal: restore.signal,
      onBackedUp: () => { updateRestore(catalog, restore.id, { status: 'BACKED_UP' }) }
    })
    restore.backup = backup
    restore.isApplied = true
    updateRestore(catalog, restore.id, { status: 'VERIFYING', preRestoreBackup: backup })
    await checkRestored(context, restore)
    return { lockedMs }
  } catch (error) {
    const intent = readIntent(context.settings.recoveryDir, restore.id)
    if (intent !== null) await undo(context, restore, intent.backup, error)
    throw error
  }
}

/** Only a check that finds damage says anything against what was applied, which had been checked before. */
async function checkRestored (context: SnapshotContext, { row }: Restore): Promise<void> {
  try {
    const { isHealthy, errors } = await checkLiveDatabase(context, 'quick').catch(async () => await checkLiveDatabase(context, 'quick'))
    if (isHealthy || row.integrity === 'failed') return
    if (foundMissing({ errors }, context.target.path)) throw new Error(String(errors[0])) // moved away since: that is not ours to undo
    throw new UnsoundError(`the database is not sound after it: ${errors.slice(0, 3).join('; ')}`)
  } catch (error) {
    if (error instanceof UnsoundError) throw error
    context.logger.warn({ err: error }, `The restored database could not be checked yet: ${messageOf(error)}`)
  }
}

class UnsoundError extends Error {}

/**
 * Brings the old content back where something had been applied. Where the engine could not say so, the live file does: what
 * the application has committed since to a database that was never changed is not to be taken back.
 */
async function undo (context: SnapshotContext, restore: Restore, backup: string, cause: unknown): Promise<void> {
  restore.backup = backup
  try {
    const verdict = restore.isApplied ? 'new' : await context.runEngine('judge-content', { target: context.target, image: restore.staging, backup })
    if (verdict === 'old') return
    if (verdict === 'unknown') throw new Error('it cannot be told any more whether it was applied, and nothing was rolled back')
    const { backup: meanwhile } = await rollBack(context, backup)
    restore.isRolledBack = true
    throw new RestoreFailedError(`${messageOf(cause)}; the database has its old content again, from ${backup}; what it held until then is in ${String(meanwhile)}`, { cause })
  } catch (error) {
    if (restore.isRolledBack) throw error
    throw new RestoreFailedError(`${messageOf(cause)}; and the old content was not brought back: ${messageOf(error)}. It is in ${backup}: to have it back, stop the application, move the database aside with its -wal and -shm, and copy that file in its place`, { cause: error })
  }
}
