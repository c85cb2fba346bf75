import { setImmediate as turn } from 'node:timers/promises'
import { recordGauge } from '../../catalog/metric-values.ts'
import { failedBefore, usableOwn, type Candidate } from '../../catalog/retention.ts'
import { findById } from '../../catalog/snapshots.ts'
import type { Replica } from '../../catalog/schema.ts'
import { messageOf } from '../../errors.ts'
import type { RetentionPolicy } from '../../options-retention.ts'
import { isStorageFailure } from '../../storage/observed-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { deleteSnapshot } from '../delete-snapshot.ts'
import { noteJobDone } from '../note-job-done.ts'
import { decideRetention } from './policy.ts'
import type { RetentionDecision, RetentionPlan, RetentionResult, RetentionRun } from './retention-plan.ts'

/** Rows that are read at a time: the application is not to wait for them. */
const PAGE_ROWS = 500

/** Decides, and changes nothing. */
export async function planRetention (context: SnapshotContext, policy = context.settings.retention): Promise<RetentionPlan> {
  const { catalog, settings: { databaseName: database } } = context
  const now = new Date()
  // What no storage of ours has is not there for a restore, and pushes out nothing that is.
  const isConfigured = ({ storage }: Replica): boolean => context.storageNamed(storage) !== undefined
  const candidates: Candidate[] = []
  for (const page of usableOwn(catalog, database, PAGE_ROWS)) {
    candidates.push(...page.map(candidate => ({ ...candidate, replicas: candidate.replicas.filter(isConfigured) })))
    await turn()
  }
  const snapshots = decideRetention(candidates, policy, now)
  const failed = failedBefore(catalog, database, new Date(now.getTime() - policy.failedMaxAge).toISOString())
  return { database, policy, snapshots, held: snapshots.filter(isHeld).length, failed }
}

/**
 * Deletes what no rule keeps, in all storages, and failed creations that are old. A failure is logged, and tried again the
 * next time.
 */
export async function applyRetention (context: SnapshotContext, signal: AbortSignal, { includeHeld = false }: RetentionRun = {}, policy = context.settings.retention): Promise<RetentionResult> {
  const { catalog, logger, settings: { databaseName } } = context
  const plan = await planRetention(context, includeHeld ? { ...policy, holdFactor: 0 } : policy)
  const removed: string[] = []
  for (const { id, name } of [...plan.snapshots.filter(({ isKept }) => !isKept).reverse(), ...plan.failed]) {
    signal.throwIfAborted()
    try {
      const row = findById(catalog, id)
      if (row?.deletedAt !== null) continue
      await deleteSnapshot(context, row)
      if (row.status !== 'FAILED') removed.push(name)
    } catch (error) {
      logger.warn({ err: error, snapshot: name }, `An old snapshot could not be removed: ${messageOf(error)}`)
      if (isStorageFailure(error)) break // the others would fail as well, each after a while
    }
  }
  recordGauge(catalog, databaseName, 'snapshot_retention_held', plan.held)
  noteJobDone(context, 'retention')
  return { ...plan, removed }
}

/** After a creation, which has succeeded whatever becomes of older snapshots. */
export async function applyAfterCreation (context: SnapshotContext, signal: AbortSignal, policy?: RetentionPolicy): Promise<void> {
  try {
    await applyRetention(context, signal, {}, policy)
  } catch (error) {
    context.logger.warn({ err: error }, `Old snapshots were not removed this time: ${messageOf(error)}`)
  }
}

const isHeld = ({ rules }: RetentionDecision): boolean => rules.includes('held')
