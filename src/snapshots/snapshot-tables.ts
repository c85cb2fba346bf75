import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import type { SnapshotRow } from '../catalog/schema.ts'
import type { DatabaseContents, DatabaseDiff, RestoreMode } from '../engine/tables/reports.ts'
import { SnapshotDamagedError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { databaseBytes, requireRoom } from './disk-space.ts'
import { beginCopy, discardCopy, safetyCopyOf } from './live-content.ts'
import { judgeFailed } from './judge-change.ts'
import { migrateStaged } from './migrate-staged.ts'
import type { TablesRestoreResult } from './outcomes.ts'
import { removeOldBackups } from './pre-restore-backups.ts'
import { advance, recordedChange } from './record-change.ts'
import { removeDatabase } from './remove-database.ts'
import { fromReplicas } from './replicas/read-replica.ts'
import { askHook, requireRestorable } from './restore-snapshot.ts'
import { intentFile, stagedName } from './restore-intent.ts'
import { readManifest, stage } from './stored-snapshot.ts'

/** Tables, rows and schema of a snapshot. */
export async function inspectSnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<DatabaseContents> {
  return await staged(context, row, signal, async file => await context.runEngine('inspect-tables', { file }, { signal }))
}

/** How the live database differs from a snapshot. */
export async function diffSnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<DatabaseDiff> {
  return await staged(context, row, signal, async image => await context.runEngine('diff-tables', { target: context.target, image, name: row.name }, { signal }))
}

/**
 * Brings tables of a snapshot into the live database in one transaction, once its content is kept as a pre-restore backup.
 * Whatever goes wrong, the transaction ends without a change.
 */
export async function restoreTables (context: SnapshotContext, row: SnapshotRow, tables: string[], mode: RestoreMode, signal: AbortSignal): Promise<TablesRestoreResult> {
  const { target, engineLockFile, logger, settings: { recoveryDir } } = context
  requireRestorable(row, false)
  const result = await recordedChange(context, { kind: 'tables', snapshotId: row.id, snapshotName: row.name }, signal, async change => {
    await askHook(context, row)
    mkdirSync(recoveryDir, { recursive: true, mode: 0o700 })
    await requireRoom([{ folder: recoveryDir, bytes: databaseBytes(target.path), what: 'the pre-restore backup' }])
    return await staged(context, row, signal, async image => {
      await migrateStaged(context, image, signal)
      advance(context, change, 'STAGED')
      const copy = beginCopy(context, change.id, 'pre_restore', signal)
      try {
        const copiedAt = await copy.done
        advance(context, change, 'BACKED_UP')
        signal.throwIfAborted()
        advance(context, change, 'APPLYING')
        const safetyCopy = safetyCopyOf(context, copy)
        if (safetyCopy === null) throw new Error(`there is no database at ${target.path} to restore tables into; restore the whole snapshot`)
        const { backup, ...restored } = await context.runEngine('restore-tables', { target, image, name: row.name, tables, mode, lockFile: engineLockFile, safetyCopy, copiedAt, intentFile: intentFile(recoveryDir, change.id) }, { priority: 'normal' })
        change.backup = backup
        change.isApplied = true
        advance(context, change, 'VERIFYING')
        return { ...restored, preRestoreBackup: backup }
      } catch (error) {
        // An engine that has committed nothing takes the intent back, unless it was killed.
        if (change.isApplied === false) await judgeFailed(context, change)
        throw error
      } finally {
        await discardCopy(copy)
      }
    }, stagedName(change.id))
  })
  logger.info({ snapshot: row.name, tables, preRestoreBackup: result.preRestoreBackup }, 'Tables of a snapshot restored')
  removeOldBackups(context, result.preRestoreBackup)
  return { snapshot: row.name, mode, ...result }
}

/** Uses the image of a snapshot, every byte of it verified, as a file that nobody else has. */
async function staged<T> (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal, use: (image: string) => Promise<T>, name = `tables-${randomUUID()}.db`): Promise<T> {
  requireRestorable(row, true)
  const file = context.temporaryFile(name)
  try {
    await fromReplicas(context, row, async storage => {
      const manifest = await readManifest(storage, row)
      await requireRoom([{ folder: context.temporaryDir, bytes: manifest.image.size, what: 'the staged snapshot' }])
      const { errors } = await stage(context, storage, manifest, file, manifest.integrity !== 'failed', signal)
      if (errors.length > 0) throw new SnapshotDamagedError(errors.slice(0, 3).join('; '))
    })
    return await use(file)
  } finally {
    removeDatabase(file)
  }
}
