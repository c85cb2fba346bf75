import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, messageOf } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { settleInterrupted } from './settle.ts'
import { settleRestores } from './settle-restore.ts'
import { step } from '../step.ts'

const AT_WORK = new Set(['FST_SNAPSHOT_BUSY', 'FST_SNAPSHOT_QUEUE_FULL'])
const PAUSE_MS = 1_000

/**
 * Runs an operation alone, between the processes too, once what an earlier process left unfinished is settled.
 * @throws FST_SNAPSHOT_QUEUE_FULL, FST_SNAPSHOT_BUSY, FST_SNAPSHOT_CANCELLED
 */
export async function runOperation<T> (context: SnapshotContext, operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
  context.catalog.requireOpen()
  return await context.queue.run(async signal => {
    await settleOnce(context).catch((error: unknown) => {
      context.logger.warn({ err: error }, `What an earlier process left was not settled yet: ${messageOf(error)}`)
    })
    step('operation: begun')
    try {
      return await operation(signal)
    } finally {
      await context.tidyCatalog()
    }
  })
}

/**
 * The same for one that changes the live database: it does not begin before earlier ones are settled. What they left half done
 * must not meet another content.
 */
export async function runChange<T> (context: SnapshotContext, change: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return await runOperation(context, async signal => {
    await settleRestores(context)
    return await change(signal)
  })
}

/** The same for what must not come to nothing because another process is at work for long. @throws FST_SNAPSHOT_CANCELLED */
export async function runAtLast<T> (context: SnapshotContext, operation: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await runOperation(context, operation)
    } catch (error) {
      if (!AT_WORK.has(String(codeOf(error)))) throw error
      await sleep(PAUSE_MS)
      signal.throwIfAborted()
    }
  }
}

/** Settles what a killed process left unfinished, and nothing else. */
export async function settle (context: SnapshotContext): Promise<void> {
  context.catalog.requireOpen()
  await context.queue.run(async () => { await settleOnce(context) })
}

async function settleOnce (context: SnapshotContext): Promise<void> {
  await settleInterrupted(context, !context.isSettled)
  context.isSettled = true
}
