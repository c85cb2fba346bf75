import { messageOf, RestoreFailedError } from '../errors.ts'
import { applyContent, type Applied, type NewContent } from './apply-content.ts'
import { tellHook } from './call-hook.ts'
import { checkChangedDatabase, foundMissing } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { advance, type LiveChange } from './record-change.ts'
import { takeBack } from './roll-back.ts'
import { step } from '../step.ts'

/** Gives the live database a new content and checks it; where something goes wrong after that, it gets its old content back. */
export async function goLive (context: SnapshotContext, change: LiveChange, content: NewContent): Promise<Applied> {
  try {
    const applied = await applyContent(context, change, content, 'pre_restore')
    advance(context, change, 'VERIFYING')
    await checkApplied(context, content)
    return applied
  } catch (error) {
    if (change.isApplied !== false) await undo(context, change, error)
    throw error
  }
}

/** Only a check that finds damage says anything against what was applied, which had been checked before. */
async function checkApplied (context: SnapshotContext, { mayBeUnsound }: NewContent): Promise<void> {
  try {
    const { isHealthy, errors } = await checkChangedDatabase(context)
    if (isHealthy || mayBeUnsound) return
    if (foundMissing({ errors }, context.target.path)) throw new Error(String(errors[0])) // moved away since: that is not ours to undo
    throw new UnsoundError(`the database is not sound after it: ${errors.slice(0, 3).join('; ')}`)
  } catch (error) {
    if (error instanceof UnsoundError) throw error
    context.logger.warn({ err: error }, `The restored database could not be checked yet: ${messageOf(error)}`)
  }
}

class UnsoundError extends Error {}

/**
 * Brings the old content back. What the application has committed since to a database that was never changed is not to be
 * taken back.
 */
export async function undo (context: SnapshotContext, change: LiveChange, cause: unknown): Promise<void> {
  const { backup } = change
  try {
    if (backup === null) throw new Error('before it there was nothing that SQLite could read; what was there is kept as it was')
    if (change.isApplied === null) throw new Error('it cannot be told any more whether it was applied, and nothing was rolled back')
    const result = await takeBack(context, backup)
    change.isRolledBack = true
    step('restore: rolled back')
    tellHook(context, 'onRolledBack', result)
    throw new RestoreFailedError(`${messageOf(cause)}; the database has its old content again, from ${backup}; what it held until then is in ${String(result.safetyCopy)}`, { cause })
  } catch (error) {
    if (change.isRolledBack) throw error
    throw new RestoreFailedError(`${messageOf(cause)}; and the old content was not brought back: ${messageOf(error)}.${backup === null ? '' : ` It is in ${backup}: to have it back, stop the application, move the database aside with its -wal and -shm, and copy that file in its place`}`, { cause: error })
  }
}
