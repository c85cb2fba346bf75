import type { ApplyImageResult } from '../engine/apply/apply-image.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { judgeFailed } from './judge-change.ts'
import { beginCopy, discardCopy, replaceLiveContent, type BulkCopy, type SafetyCopyKind } from './live-content.ts'
import type { FileReplacement } from './outcomes.ts'
import { advance, type LiveChange } from './record-change.ts'
import { placeLiveFile, replaceLiveFile } from './replace-file.ts'

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
export async function applyContent (context: SnapshotContext, change: LiveChange, content: NewContent, kind: SafetyCopyKind): Promise<Applied> {
  const copy = content.copy ?? beginCopy(context, change.id, kind, change.signal)
  try {
    return await applyWith(context, change, { ...content, copy }, kind)
  } finally {
    await discardCopy(copy)
  }
}

async function applyWith (context: SnapshotContext, change: LiveChange, { image, name, copy }: NewContent & { copy: BulkCopy }, kind: SafetyCopyKind): Promise<Applied> {
  const { id, signal } = change
  try {
    const replace = async (): Promise<ApplyImageResult> => await replaceLiveContent(context, { id, image, name, copy, signal, onBackedUp: () => { advance(context, change, 'BACKED_UP') }, onApplying: () => { advance(context, change, 'APPLYING') } })
    const { placed: { backup, lockedMs }, replacement } = copy.partial === null ? await placeLiveFile(context, replace) : { placed: await replace(), replacement: null }
    Object.assign(change, { backup, isApplied: true })
    return { lockedMs, replacement }
  } catch (error) {
    if (await judgeFailed(context, change)) {
      if (!isDone(change, kind, error)) throw error
      context.logger.warn({ err: error }, `The database has its new content, though the engine that applied it has died: ${messageOf(error)}`)
      return { lockedMs: 0, replacement: null }
    }
    if (!NEEDS_ANOTHER_FILE.includes(String(codeOf(error)))) throw error
    return await replaceLiveFile(context, change, { image, kind, reason: messageOf(error) })
  }
}

/** A restore whose engine has died is rather taken back, where there is something to go back to; a rollback is not. */
function isDone ({ isApplied, backup }: LiveChange, kind: SafetyCopyKind, error: unknown): boolean {
  return isApplied === true && (kind !== 'pre_restore' || backup === null) && codeOf(error) === 'FST_SNAPSHOT_ENGINE_FAILED'
}
