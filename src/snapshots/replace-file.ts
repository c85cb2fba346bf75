import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ReplaceFileInput, ReplaceFileResult } from '../engine/apply/replace-file.ts'
import { processesWithRemoved } from '../engine/apply/open-files.ts'
import { messageOf } from '../errors.ts'
import { callHookInTime } from './call-hook.ts'
import type { SnapshotContext } from './context.ts'
import { judgeFailed, mayPass } from './judge-change.ts'
import { beginCopy, discardCopy, safetyCopyOf, type BulkCopy, type SafetyCopyKind } from './live-content.ts'
import type { FileReplacement } from './outcomes.ts'
import { advance, type LiveChange } from './record-change.ts'
import { intentFile } from './restore-intent.ts'
import { firstFree, timeStamp } from './snapshot-name.ts'
import { step } from '../step.ts'

/**
 * Puts another file in the live database's place, by a rename, where SQLite cannot change its content. The application is told
 * to close its connections before, and to open them again after; the old files go to the quarantine as they are.
 */
export async function replaceLiveFile (context: SnapshotContext, change: LiveChange, { image, kind, reason }: { image: string, kind: SafetyCopyKind, reason: string }): Promise<{ lockedMs: number, replacement: FileReplacement }> {
  const { target, logger, engineLockFile, settings: { recoveryDir } } = context
  const replacement: FileReplacement = { path: target.path, reason, quarantine: null, heldBy: [] }
  logger.warn({ path: target.path, reason }, 'SQLite cannot change the content of the database, so its file is replaced')
  await tellApplication(context, 'onBeforeReplace', replacement)
  let copy: BulkCopy | null = null
  try {
    copy = beginCopy(context, change.id, kind)
    const copiedAt = await copy.done.catch(unreadable)
    advance(context, change, 'APPLYING')
    const quarantine = join(recoveryDir, firstFree(`quarantine_${timeStamp(new Date())}`, '_', taken => existsSync(join(recoveryDir, taken))))
    const { backup, lockedMs, heldBy } = await replaced(context, change, {
      id: change.id,
      target,
      image,
      lockFile: engineLockFile,
      safetyCopy: isMade(copy) ? safetyCopyOf(context, copy) : null,
      copiedAt,
      intentFile: intentFile(recoveryDir, change.id),
      quarantine
    })
    Object.assign(replacement, { quarantine, heldBy })
    change.backup = backup
    change.isApplied = true
    step('change: file replaced')
    if (heldBy.length > 0) logger.error({ path: target.path, processes: heldBy }, 'Processes still have the old file of the database open: end them at once. What they write is lost, and their connections may damage the new one')
    return { lockedMs, replacement }
  } finally {
    if (copy !== null) await discardCopy(copy)
    await tellApplication(context, 'onAfterReplace', replacement)
  }
}

/**
 * The same where there is no file: connections that are open have one that was removed, and what they write is in no file any more.
 * @param place puts the file there
 */
export async function placeLiveFile<T> (context: SnapshotContext, place: () => Promise<T>): Promise<{ placed: T, replacement: FileReplacement }> {
  const { target, logger } = context
  const replacement: FileReplacement = { path: target.path, reason: 'there was no file', quarantine: null, heldBy: [] }
  await tellApplication(context, 'onBeforeReplace', replacement)
  try {
    const placed = await place()
    replacement.heldBy = processesWithRemoved(target.path)
    if (replacement.heldBy.length > 0) logger.error({ path: target.path, processes: replacement.heldBy }, 'Processes still have the database open that was removed, and what they write is lost: they must open the database again')
    return { placed, replacement }
  } finally {
    await tellApplication(context, 'onAfterReplace', replacement)
  }
}

/** An engine that ends in the middle leaves a replacement that is completed where the new file is in its place, and else taken back. */
async function replaced (context: SnapshotContext, change: LiveChange, input: ReplaceFileInput): Promise<ReplaceFileResult> {
  try {
    return await context.runEngine('replace-file', input, { priority: 'normal' })
  } catch (error) {
    if (!await judgeFailed(context, change) || change.isApplied !== true) throw error
    context.logger.warn({ err: error }, `The file of the database was replaced, though: ${messageOf(error)}`)
    return { backup: change.backup, lockedMs: 0, heldBy: [] }
  }
}

/** What SQLite cannot read has no other backup than its files; one that may be made later is waited for. */
function unreadable (error: unknown): null {
  if (mayPass(error)) throw error
  return null
}

const isMade = ({ partial }: BulkCopy): boolean => partial !== null && existsSync(partial)

/** An application that fails to do its part, or takes too long, does not keep its data from coming back. */
async function tellApplication (context: SnapshotContext, hook: 'onBeforeReplace' | 'onAfterReplace', replacement: FileReplacement): Promise<void> {
  try {
    await callHookInTime(context, hook, { ...replacement })
  } catch (error) {
    context.logger.error({ err: error }, `The hook ${hook} failed: ${messageOf(error)}`)
  }
}
