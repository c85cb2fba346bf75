import { codeOf, messageOf } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { beginCopy, discardCopy, replaceLiveContent, type BulkCopy, type SafetyCopyKind } from './live-content.ts'
import type { FileReplacement } from './outcomes.ts'
import { advance, type LiveChange } from './record-change.ts'
import { replaceLiveFile } from './replace-file.ts'
import { readIntent } from './restore-intent.ts'

/** A verified database file that is to be the content of the live database. */
export interface NewContent {
  image: string
  /** What it is called in errors. */
  name: string
  /** It is known to be damaged, and wanted all the same. */
  mayBeUnsound: boolean
  /** The copy of the live database, where it was begun already. */
  copy: BulkCopy | null
}

export interface Applied {
  /** For how long the application's writers had to wait, in milliseconds. */
  lockedMs: number
  /** Where the file was replaced and not its content. */
  replacement: FileReplacement | null
}

/** Errors of a live database whose content SQLite cannot change in a transaction. */
const NEEDS_ANOTHER_FILE = ['FST_SNAPSHOT_NOT_A_DATABASE', 'FST_SNAPSHOT_DATABASE_DAMAGED', 'FST_SNAPSHOT_NOT_RESTORABLE']

/** In one transaction of SQLite's, or by another file where that cannot be. */
export async function applyContent (context: SnapshotContext, change: LiveChange, { image, name, copy }: NewContent, kind: SafetyCopyKind): Promise<Applied> {
  const { id, signal } = change
  const bulk = copy ?? beginCopy(context, id, kind, signal)
  try {
    const { backup, lockedMs } = await replaceLiveContent(context, { id, image, name, copy: bulk, signal, onBackedUp: () => { advance(context, change, 'BACKED_UP') }, onApplying: () => { advance(context, change, 'APPLYING') } })
    change.backup = backup
    change.isApplied = true
    return { lockedMs, replacement: null }
  } catch (error) {
    const intent = readIntent(context.settings.recoveryDir, id)
    if (intent !== null) await judgeFailed(context, change, image, intent.backup)
    if (intent !== null || !NEEDS_ANOTHER_FILE.includes(String(codeOf(error)))) throw error
    return await replaceLiveFile(context, change, { image, kind, reason: messageOf(error) })
  } finally {
    await discardCopy(bulk)
  }
}

/** Where the engine could not say whether the new content was committed, the live file does. */
async function judgeFailed (context: SnapshotContext, change: LiveChange, image: string, backup: string | null): Promise<void> {
  Object.assign(change, { backup, isApplied: null })
  try {
    const verdict = await context.runEngine('judge-content', { target: context.target, image, backup: String(backup) })
    change.isApplied = { old: false, new: true, unknown: null }[verdict]
  } catch (error) {
    context.logger.warn({ err: error }, `It could not be told whether the new content was committed: ${messageOf(error)}`)
  }
}
