import { mkdirSync } from 'node:fs'
import type { SnapshotRow } from '../catalog/schema.ts'
import type { RestoreMode } from '../engine/tables/reports.ts'
import type { RestoreTablesResult } from '../engine/tables/restore-tables.ts'
import type { SnapshotContext } from './context.ts'
import { databaseBytes, requireRoom } from './disk-space.ts'
import { undo } from './go-live.ts'
import { judgeFailed } from './judge-change.ts'
import { beginCopy, discardCopy, safetyCopyOf, type BulkCopy } from './live-content.ts'
import { migrateStaged } from './migrate-staged.ts'
import type { TablesRestoreResult } from './outcomes.ts'
import { removeOldBackups } from './pre-restore-backups.ts'
import { advance, recordedChange, type LiveChange } from './record-change.ts'
import { intentFile, stagedName } from './restore-intent.ts'
import { askHook, requireRestorable } from './restore-snapshot.ts'
import { stageSnapshot } from './stage-snapshot.ts'

/** What is brought back, and how. */
interface Wanted { image: string, name: string, tables: string[], mode: RestoreMode }

/**
 * Brings tables of a snapshot into the live database in one transaction, once its content is kept as a pre-restore backup.
 * Whatever goes wrong, the database has its old content.
 */
export async function restoreTables (context: SnapshotContext, row: SnapshotRow, tables: string[], mode: RestoreMode, signal: AbortSignal): Promise<TablesRestoreResult> {
  const { target, logger, settings: { recoveryDir } } = context
  requireRestorable(row, false)
  const result = await recordedChange(context, { kind: 'tables', snapshotId: row.id, snapshotName: row.name }, signal, async change => {
    await askHook(context, row, signal)
    mkdirSync(recoveryDir, { recursive: true, mode: 0o700 })
    await requireRoom([{ folder: recoveryDir, bytes: databaseBytes(target.path), what: 'the pre-restore backup' }])
    const image = context.temporaryFile(stagedName(change.id))
    await stageSnapshot(context, row, image, true, signal)
    await migrateStaged(context, image, signal)
    advance(context, change, 'STAGED')
    const { backup, ...restored } = await apply(context, change, { image, name: row.name, tables, mode })
    Object.assign(change, { backup, isApplied: true })
    advance(context, change, 'VERIFYING')
    return { ...restored, preRestoreBackup: backup }
  })
  logger.info({ snapshot: row.name, tables, preRestoreBackup: result.preRestoreBackup }, 'Tables of a snapshot restored')
  removeOldBackups(context, result.preRestoreBackup)
  return { snapshot: row.name, mode, ...result }
}

async function apply (context: SnapshotContext, change: LiveChange, wanted: Wanted): Promise<RestoreTablesResult> {
  const copy = beginCopy(context, change.id, 'pre_restore', change.signal)
  try {
    return await applyWith(context, change, wanted, copy)
  } finally {
    await discardCopy(copy)
  }
}

async function applyWith (context: SnapshotContext, change: LiveChange, wanted: Wanted, copy: BulkCopy): Promise<RestoreTablesResult> {
  const { target, engineLockFile, settings: { recoveryDir } } = context
  try {
    const copiedAt = await copy.done
    advance(context, change, 'BACKED_UP')
    change.signal.throwIfAborted()
    advance(context, change, 'APPLYING')
    const safetyCopy = safetyCopyOf(context, copy)
    if (safetyCopy === null) throw new Error(`there is no database at ${target.path} to restore tables into; restore the whole snapshot`)
    return await context.runEngine('restore-tables', { target, ...wanted, lockFile: engineLockFile, safetyCopy, copiedAt, intentFile: intentFile(recoveryDir, change.id) }, { priority: 'normal' })
  } catch (error) {
    // An engine that has committed nothing takes its intent back, unless it was killed.
    if (await judgeFailed(context, change) && change.isApplied !== false) await undo(context, change, error)
    throw error
  }
}
