import { existsSync } from 'node:fs'
import { advanceRestore, recordRestoreEnded, restoresUnderWay } from '../catalog/restores.ts'
import type { RestoreRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import type { Verdict } from '../engine/apply/judge-content.ts'
import { codeOf, InterruptedError, messageOf } from '../errors.ts'
import { tellHook } from './call-hook.ts'
import { checkLiveDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { intentsIn, readIntent, removeIntent, stagedName, type RestoreIntent } from './restore-intent.ts'
import { rollBack } from './roll-back.ts'

/** Settles what is under way in the catalog while nobody works on the database, and replacements of its file. Only under the operation lock. */
export async function settleRestores (context: SnapshotContext): Promise<void> {
  const { catalog, target: { path }, settings: { databaseName, recoveryDir } } = context
  for (const [id, { quarantine }] of intentsIn(recoveryDir)) {
    if (quarantine !== undefined) await context.runEngine('settle-replacement', { path, id, quarantine })
  }
  for (const row of restoresUnderWay(catalog, databaseName)) await settleRestore(context, row)
}

/**
 * Settles a restore whose process ended in the middle, as far as it had been committed: one that was not is never carried on,
 * one that was is checked, and rolled back where the database is not sound. Which it is, the live database itself tells.
 */
async function settleRestore (context: SnapshotContext, row: RestoreRow): Promise<void> {
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
  try {
    return await context.runEngine('judge-content', { target: context.target, image, backup })
  } catch (error) {
    if (mayPass(error)) throw error
    context.logger.warn({ err: error }, `It could not be told whether an interrupted restore had been applied: ${messageOf(error)}`)
    return 'unknown'
  }
}

/** What is worth another try, later. Anything else would keep the restore from being settled for ever. */
const mayPass = (error: unknown): boolean => /^FST_SNAPSHOT_(DATABASE_LOCKED|DATABASE_UNWRITABLE|NO_ROOM|ENGINE_FAILED|BUSY|CANCELLED)$/.test(String(codeOf(error)))

async function settleApplied (context: SnapshotContext, row: RestoreRow, { backup }: RestoreIntent): Promise<void> {
  const { isHealthy, errors } = await checkLiveDatabase(context, 'quick')
  if (isHealthy) {
    const finishedAt = end(context, row, 'SUCCESS', true, 'it had been applied')
    updateSnapshotRow(context.catalog, row.snapshotId, { status: 'SUCCESS', lastRestoredAt: finishedAt })
  } else if (backup === null) {
    end(context, row, 'FAILED', true, `it had been applied, and the database is not sound: ${errors.slice(0, 3).join('; ')}`)
  } else {
    await undo(context, row, backup, errors.slice(0, 3).join('; '))
  }
}

async function undo (context: SnapshotContext, row: RestoreRow, backup: string, errors: string): Promise<void> {
  try {
    const result = await rollBack(context, backup)
    end(context, row, 'ROLLED_BACK', true, `the database was not sound after it (${errors}), and has its old content again, from ${backup}`)
    tellHook(context, 'onRolledBack', result)
  } catch (error) {
    if (mayPass(error)) throw error
    end(context, row, 'FAILED', true, `the database was not sound after it (${errors}), and its old content, ${backup}, could not be brought back: ${messageOf(error)}`)
  }
}

function end ({ catalog, logger }: SnapshotContext, { id, requestedAt, snapshotName }: RestoreRow, status: 'SUCCESS' | 'FAILED' | 'ROLLED_BACK', isApplied: boolean | null, way: string): string {
  const finishedAt = new Date().toISOString()
  const { code, message } = new InterruptedError(`the process ended during the restore; ${way}`)
  logger.warn({ snapshot: snapshotName, status }, `A restore was interrupted: ${way}`)
  recordRestoreEnded(catalog, id, { status, isApplied, finishedAt, durationMs: Math.max(0, Date.parse(finishedAt) - Date.parse(requestedAt)), error: status === 'SUCCESS' ? null : { code, message } })
  return finishedAt
}
