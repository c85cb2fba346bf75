import { messageOf } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { settleInterrupted } from './settle.ts'

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
    try {
      return await operation(signal)
    } finally {
      await context.tidyCatalog()
    }
  })
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
