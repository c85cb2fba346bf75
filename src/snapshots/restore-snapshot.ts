import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { insertRestore, recordRestoreEnded, updateRestore } from '../catalog/restores.ts'
import type { SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow, USABLE } from '../catalog/snapshots.ts'
import { codeOf, messageOf, NotRestorableError, RestoreFailedError, SnapshotDamagedError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { databaseBytes, folderOf, requireRoom } from './disk-space.ts'
import { checkLiveDatabase } from './check-live-database.ts'
import { replaceLiveContent } from './live-content.ts'
import { isForCallers } from './operation-errors.ts'
import type { RestoreResult } from './outcomes.ts'
import { removeDatabase } from './remove-database.ts'
import { readIntent, removeIntent, type RestoreIntent } from './restore-intent.ts'
import { rollBack } from './roll-back.ts'
import { toSnapshot } from './snapshot.ts'
import { readManifest, stage } from './stored-snapshot.ts'

/** One restore on its way. */
interface Restore { id: string, row: SnapshotRow, staging: string, signal: AbortSignal, backup: string | null, isApplied: boolean, isRolledBack: boolean }

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
  const restore: Restore = { id, row, staging: context.temporaryFile(`restore-${id}.db`), signal, backup: null, isApplied: false, isRolledBack: false }
  try {
    return await recordedRestore(context, restore)
  } finally {
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
    const explained = isForCallers(error) ? error : new RestoreFailedError(messageOf(error) + (restore.isApplied ? '' : UNCHANGED), { cause: error })
    recordRestoreEnded(catalog, id, { status: restore.isRolledBack ? 'ROLLED_BACK' : 'FAILED', error: { code: codeOf(explained) as string, message: messageOf(explained) }, ...end() })
    logger.error({ err: error, snapshot: row.name, preRestoreBackup: restore.backup }, `Restore failed: ${messageOf(explained).replace(/^Restore failed: /, '')}`)
    throw explained
  }
}

/** Gets the image out of storage, checks it, and migrates it: nothing of this touches the live database. */
async function stageForRestore (context: SnapshotContext, restore: Restore): Promise<void> {
  const { catalog, settings, target } = context
  const manifest = await readManifest(context, restore.row)
  mkdirSync(settings.recoveryDir, { recursive: true, mode: 0o700 })
  mkdirSync(folderOf(target.path), { recursive: true })
  await requireRoom([
    { folder: context.temporaryDir, bytes: manifest.image.size, what: 'the staged snapshot' },
    { folder: settings.recoveryDir, bytes: databaseBytes(target.path), what: 'the pre-restore backup' },
    { folder: folderOf(target.path), bytes: manifest.image.size, what: 'the write-ahead log' }
  ])
  const { errors } = await stage(context, manifest, restore.staging, restore.signal)
  if (errors.length > 0 && manifest.integrity !== 'failed') throw new SnapshotDamagedError(errors.slice(0, 3).join('; '))
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
      kind: 'pre_restore',
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
    if (intent !== null) {
      restore.backup = intent.backup
      await undo(context, restore, intent, error)
    }
    throw error
  }
}

/** A check that finds the database locked by the application says nothing against it: what was applied had been checked. */
async function checkRestored (context: SnapshotContext, { row }: Restore): Promise<void> {
  try {
    const { isHealthy, errors } = await checkLiveDatabase(context, 'quick')
    if (!isHealthy && row.integrity !== 'failed') throw new RestoreFailedError(`the database is not sound after it: ${errors.slice(0, 3).join('; ')}`)
  } catch (error) {
    if (codeOf(error) !== 'FST_SNAPSHOT_DATABASE_LOCKED') throw error
    context.logger.warn({ err: error }, 'The restored database could not be checked yet, as the application holds it locked')
  }
}

/** Brings the old content back where something had been applied: the live file itself says, by its schema cookie. */
async function undo (context: SnapshotContext, restore: Restore, { schemaCookie, backup }: RestoreIntent, cause: unknown): Promise<void> {
  try {
    const live = await checkLiveDatabase(context, 'quick')
    if (live.schemaCookie === schemaCookie) return
    await rollBack(context, backup)
    restore.isRolledBack = true
  } catch (error) {
    throw new RestoreFailedError(`${messageOf(cause)}; and the old content could not be brought back: ${messageOf(error)}. It is in ${backup}: stop the application, move the database aside with its -wal and -shm, and copy that file in its place`, { cause: error })
  }
  throw new RestoreFailedError(`${messageOf(cause)}; the database has its old content again, from ${backup}`, { cause })
}
