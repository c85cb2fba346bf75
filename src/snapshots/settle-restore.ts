import { advanceRestore, recordApplied, recordRestoreEnded, restoresUnderWay } from '../catalog/restores.ts'
import type { RestoreRow } from '../catalog/schema.ts'
import { removeFresh } from '../engine/apply/own-files.ts'
import { InterruptedError, messageOf } from '../errors.ts'
import { step } from '../step.ts'
import { tellHook } from './call-hook.ts'
import { checkLiveDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { judgeChange, mayPass } from './judge-change.ts'
import { intentsIn, isReplacement, readIntent, removeIntent, type RestoreIntent } from './restore-intent.ts'
import { takeBack } from './roll-back.ts'

/** Settles what is under way in the catalog while nobody works on the database, and replacements of its file. Only under the operation lock. */
export async function settleRestores (context: SnapshotContext): Promise<void> {
  const { catalog, settings: { databaseName, recoveryDir } } = context
  const underWay = restoresUnderWay(catalog, databaseName)
  for (const [id, intent] of intentsIn(recoveryDir)) {
    if (!isReplacement(intent) || underWay.some(row => row.id === id)) continue
    recordApplied(catalog, id, await judgeChange(context, id, intent) === 'new')
    forget(context, id)
  }
  for (const row of underWay) await settleRestore(context, row)
}

/**
 * Settles a restore whose process ended in the middle, as far as it had been committed: one that was not is never carried on,
 * one that was is checked, and rolled back where the database is not sound. Which it is, the live database itself tells.
 */
async function settleRestore (context: SnapshotContext, row: RestoreRow): Promise<void> {
  const intent = readIntent(context.settings.recoveryDir, row.id)
  if (intent === null) {
    end(context, row, 'FAILED', false, 'nothing was applied')
  } else {
    advanceRestore(context.catalog, row.id, row.status, { preRestoreBackup: intent.backup })
    const verdict = await judgeChange(context, row.id, intent)
    step('settle: judged')
    if (verdict === 'old') end(context, row, 'FAILED', false, 'nothing was applied')
    else if (verdict === 'unknown') end(context, row, 'FAILED', null, `the database holds either its old or the restored content; the old one is in ${String(intent.backup)}`)
    else await settleApplied(context, row, intent)
  }
  step('settle: restore ended')
  forget(context, row.id)
}

async function settleApplied (context: SnapshotContext, row: RestoreRow, { backup }: RestoreIntent): Promise<void> {
  const { isHealthy, errors } = await checkLiveDatabase(context, 'quick')
  const found = errors.slice(0, 3).join('; ')
  if (isHealthy) end(context, row, 'SUCCESS', true, 'it had been applied')
  else if (backup === null) end(context, row, 'FAILED', true, `it had been applied, and the database is not sound: ${found}`)
  else await undo(context, row, backup, found)
}

async function undo (context: SnapshotContext, row: RestoreRow, backup: string, found: string): Promise<void> {
  try {
    const result = await takeBack(context, backup)
    end(context, row, 'ROLLED_BACK', true, `the database was not sound after it (${found}), and has its old content again, from ${backup}`)
    tellHook(context, 'onRolledBack', result)
  } catch (error) {
    if (mayPass(error)) throw error
    end(context, row, 'FAILED', true, `the database was not sound after it (${found}), and its old content, ${backup}, could not be brought back: ${messageOf(error)}`)
  }
}

function end ({ catalog, logger }: SnapshotContext, { id, requestedAt, snapshotName }: RestoreRow, status: 'SUCCESS' | 'FAILED' | 'ROLLED_BACK', isApplied: boolean | null, way: string): void {
  const finishedAt = new Date().toISOString()
  const { code, message } = new InterruptedError(`the process ended during the restore; ${way}`)
  logger.warn({ snapshot: snapshotName, status }, `A restore was interrupted: ${way}`)
  recordRestoreEnded(catalog, id, { status, isApplied, finishedAt, durationMs: Math.max(0, Date.parse(finishedAt) - Date.parse(requestedAt)), error: status === 'SUCCESS' ? null : { code, message } })
}

/** Only once the end is recorded: until then it may have to be judged again. */
function forget ({ target, settings: { recoveryDir } }: SnapshotContext, id: string): void {
  removeIntent(recoveryDir, id)
  removeFresh(target.path, id)
}
