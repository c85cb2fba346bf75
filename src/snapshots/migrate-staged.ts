import { messageOf, RestoreFailedError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { UNCHANGED } from './record-change.ts'

/** Brings a staged image up to the application's schema. @throws FST_SNAPSHOT_RESTORE_FAILED */
export async function migrateStaged (context: SnapshotContext, staging: string, signal: AbortSignal): Promise<void> {
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
export async function unlessAborted<T> (work: T | Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => { aborted.reject(signal.reason) }
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort() // the work itself may have closed the application
  return await Promise.race([work, aborted.promise]).finally(() => { signal.removeEventListener('abort', abort) })
}
