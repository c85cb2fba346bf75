import { advanceRestore, recordRestoreEnded } from '../catalog/restores.ts'
import type { RestoreRow } from '../catalog/schema.ts'
import { removeFresh } from '../engine/apply/own-files.ts'
import { InterruptedError } from '../errors.ts'
import { tellHook } from './call-hook.ts'
import { checkLiveDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { judgeChange } from './judge-change.ts'
import { readIntent, removeIntent, type RestoreIntent } from './restore-intent.ts'
import { takeBack } from './roll-back.ts'
import { step } from '../step.ts'

/**
 * Settles a restore whose process ended in the middle, as far as it had been committed: one that was not is never carried on,
 * one that was is checked, and rolled back where the database is not sound. Which it is, the live database itself tells.
 */
export async function settleRestore (context: SnapshotContext, row: RestoreRow): Promise<void> {
  const { settings: { recoveryDir } } = context
  const intent = readIntent(recoveryDir, row.id)
  if (intent === null) {
    removeFresh(context.target.path, row.id)
    end(context, row, 'FAILED', false, 'nothing was applied')
    return
  }
  advanceRestore(context.catalog, row.id, row.status, { preRestoreBackup: intent.backup })
  const verdict = await judgeChange(context, row.id, intent)
  step('settle: judged')
  if (verdict === 'old') end(context, row, 'FAILED', false, 'nothing was applied')
  else if (verdict === 'unknown') end(context, row, 'FAILED', null, `the database holds either its old or the restored content; the old one is in ${String(intent.backup)}`)
  else await settleApplied(context, row, intent)
  step('settle: restore ended')
  removeIntent(recoveryDir, row.id)
}

async function settleApplied (context: SnapshotContext, row: RestoreRow, { backup }: RestoreIntent): Promise<void> {
  const { isHealthy, errors } = await checkLiveDatabase(context, 'quick')
  if (isHealthy) {
    end(context, row, 'SUCCESS', true, 'it had been applied')
  } else if (backup === null) {
    end(context, row, 'FAILED', true, `it had been applied, and the database is not sound: ${errors.slice(0, 3).join('; ')}`)
  } else {
    const result = await takeBack(context, backup)
    end(context, row, 'ROLLED_BACK', true, `the database was not sound after it (${errors.slice(0, 3).join('; ')}), and has its old content again, from ${backup}`)
    tellHook(context, 'onRolledBack', result)
  }
}

function end ({ catalog, logger }: SnapshotContext, { id, requestedAt, snapshotName }: RestoreRow, status: 'SUCCESS' | 'FAILED' | 'ROLLED_BACK', isApplied: boolean | null, way: string): void {
  const finishedAt = new Date().toISOString()
  const { code, message } = new InterruptedError(`the process ended during the restore; ${way}`)
  logger.warn({ snapshot: snapshotName, status }, `A restore was interrupted: ${way}`)
  recordRestoreEnded(catalog, id, { status, isApplied, finishedAt, durationMs: Math.max(0, Date.parse(finishedAt) - Date.parse(requestedAt)), error: status === 'SUCCESS' ? null : { code, message } })
}
