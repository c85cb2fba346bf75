import { codeOf, messageOf } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { beginCopy, discardCopy, replaceLiveContent, type BulkCopy, type SafetyCopyKind } from './live-content.ts'
import type { FileReplacement } from './outcomes.ts'
import { advance, type LiveChange } from './record-change.ts'
import { replaceLiveFile } from './replace-file.ts'
import { judgeChange } from './judge-change.ts'
import { readIntent, removeIntent } from './restore-intent.ts'

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

/**
 * In one transaction of SQLite's, or by another file where that cannot be. Where an engine has died that had applied it already, it
 * is applied; a restore rather takes that back ({@link goLive}), where it can.
 */
export async function applyContent (context: SnapshotContext, change: LiveChange, content: NewContent, kind: SafetyCopyKind): Promise<Applied> {
  try {
    return await apply(context, change, content, kind)
  } catch (error) {
    const intent = readIntent(context.settings.recoveryDir, change.id)
    if (intent === null || change.isApplied === true || (kind === 'pre_restore' && intent.quarantine === undefined)) throw error
    change.backup = intent.backup
    change.isApplied = null
    const verdict = await judgeChange(context, change.id, intent)
    change.isApplied = { old: false, new: true, unknown: null }[verdict]
    if (verdict === 'old') removeIntent(context.settings.recoveryDir, change.id) // nothing is left to settle
    if (verdict !== 'new' || codeOf(error) !== 'FST_SNAPSHOT_ENGINE_FAILED') throw error
    context.logger.warn({ err: error }, `The database has its new content, though the engine that applied it has died: ${messageOf(error)}`)
    return { lockedMs: 0, replacement: null }
  }
}

async function apply (context: SnapshotContext, change: LiveChange, { image, name, copy }: NewContent, kind: SafetyCopyKind): Promise<Applied> {
  const { id, signal } = change
  const bulk = copy ?? beginCopy(context, id, kind, signal)
  try {
    const { backup, lockedMs } = await replaceLiveContent(context, { id, image, name, copy: bulk, signal, onBackedUp: () => { advance(context, change, 'BACKED_UP') }, onApplying: () => { advance(context, change, 'APPLYING') } })
    change.backup = backup
    change.isApplied = true
    return { lockedMs, replacement: null }
  } catch (error) {
    if (!NEEDS_ANOTHER_FILE.includes(String(codeOf(error))) || readIntent(context.settings.recoveryDir, id) !== null) throw error
    return await replaceLiveFile(context, change, { image, kind, reason: messageOf(error) })
  } finally {
    await discardCopy(bulk)
  }
}
