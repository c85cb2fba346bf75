import { existsSync } from 'node:fs'
import { advanceRestore, recordRestoreEnded } from '../catalog/restores.ts'
import type { RestoreRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import type { Verdict } from '../engine/apply/judge-content.ts'
import { InterruptedError } from '../errors.ts'
import { tellHook } from './call-hook.ts'
import { checkLiveDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { readIntent, removeIntent, stagedName, type RestoreIntent } from './restore-intent.ts'
import { rollBack } from './roll-back.ts'

/**
 * Settles a restore whose process ended in the middle, as far as it had been committed: one that was not is never carried on,
 * one that was is checked, and rolled back where the database is not sound. Which it is, the live database itself tells.
 */
export async function settleRestore (context: SnapshotContext, row: RestoreRow): Promise<void> {
  const { settings: { recoveryDir } } = context
  const intent = readIntent(recoveryDir, row.id)
  if (intent === null) {
    end(context, row, 'FAILED', false, 'nothing was applied')
    return
  }
  advanceRestore(context.catalog, row.id, row.status, { preRestoreBackup: intent.backup })
  const verdict = await judge(context, row, intent)
  if (verdict === 'old') end(context, row, 'FAILED', false, 'nothing was applied')
  else if (verdict === 'unknown') end(context, row, 'FAILED', null, `the database holds either its old or the restored content; the old one is in ${String(intent.backup)}`)
  else await settleApplied(context, row, intent)
  removeIntent(recoveryDir, row.id)
}

async function judge (context: SnapshotContext, { id, kind }: RestoreRow, { backup, quarantine }: RestoreIntent): Promise<Verdict> {
  if (quarantine !== undefined) return await context.runEngine('settle-replacement', { path: context.target.path, id, quarantine }) ? 'new' : 'old'
  const image = context.temporaryFile(stagedName(id))
  if (backup === null || kind === 'tables' || !existsSync(image)) return 'unknown'
  return await context.runEngine('judge-content', { target: context.target, image, backup })
}

async function settleApplied (context: SnapshotContext, row: RestoreRow, { backup }: RestoreIntent): Promise<void> {
  const { isHealthy, errors } = await checkLiveDatabase(context, 'quick')
  if (isHealthy) {
    const finishedAt = end(context, row, 'SUCCESS', true, 'it had been applied')
    updateSnapshotRow(context.catalog, row.snapshotId, { status: 'SUCCESS', lastRestoredAt: finishedAt })
  } else if (backup === null) {
    end(context, row, 'FAILED', true, `it had been applied, and the database is not sound: ${errors.slice(0, 3).join('; ')}`)
  } else {
    const result = await rollBack(context, backup)
    end(context, row, 'ROLLED_BACK', true, `the database was not sound after it (${errors.slice(0, 3).join('; ')}), and has its old content again, from ${backup}`)
    tellHook(context, 'onRolledBack', result)
  }
}

function end ({ catalog, logger }: SnapshotContext, { id, requestedAt, snapshotName }: RestoreRow, status: 'SUCCESS' | 'FAILED' | 'ROLLED_BACK', isApplied: boolean | null, way: string): string {
  const finishedAt = new Date().toISOString()
  const { code, message } = new InterruptedError(`the process ended during the restore; ${way}`)
  logger.warn({ snapshot: snapshotName, status }, `A restore was interrupted: ${way}`)
  recordRestoreEnded(catalog, id, { status, isApplied, finishedAt, durationMs: Math.max(0, Date.parse(finishedAt) - Date.parse(requestedAt)), error: status === 'SUCCESS' ? null : { code, message } })
  return finishedAt
}
