import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ApplyImageResult } from '../engine/apply/apply-image.ts'
import type { SafetyCopy } from '../engine/apply/safety-copy.ts'
import type { FileState } from '../engine/pages/file-state.ts'
import type { SnapshotContext } from './context.ts'
import { removeDatabase } from './remove-database.ts'
import { intentFile } from './restore-intent.ts'
import { firstFree, timeStamp } from './snapshot-name.ts'
import { step } from '../step.ts'

/** Names of safety copies that are not complete yet, with their journals, and of links to the live database. */
export const PARTIAL_BACKUP = /^\.pre_(restore|rollback|reset)_.*\.(partial|live)|^pre_restore_latest\.db\.partial$|^\.quarantine_.*\.partial$/

/** A copy of the live database on its way to a safety copy. */
export interface BulkCopy {
  /** Where it is made; null where there is no live database. */
  partial: string | null
  /** Name of the safety copy, without its ending. */
  name: string
  done: Promise<FileState | null>
}

export interface Replacement {
  /** Names the operation in files that only it uses. */
  id: string
  /** The database file whose content goes live. */
  image: string
  /** What it is called in errors. */
  name: string
  /** The content from before, as {@link beginCopy} makes it. */
  copy: BulkCopy
  /** Ends it while nothing has been changed yet; from the write lock on it is not heeded. */
  signal?: AbortSignal
  /** Called when the copy is made, but for what is committed until the write lock is taken. */
  onBackedUp?: () => void
  /** Called before the engine asks for the write lock. */
  onApplying?: () => void
}

/** What the content from before is kept as. */
export type SafetyCopyKind = 'pre_restore' | 'pre_rollback' | 'pre_reset'

/** Copies the live database in bulk, beside the running application. */
export function beginCopy (context: SnapshotContext, id: string, kind: SafetyCopyKind, signal?: AbortSignal): BulkCopy {
  const { target, settings: { recoveryDir } } = context
  mkdirSync(recoveryDir, { recursive: true, mode: 0o700 })
  const name = firstFree(`${kind}_${timeStamp(new Date())}`, '_', taken => existsSync(join(recoveryDir, `${taken}.db`)))
  if (!existsSync(target.path)) return { partial: null, name, done: Promise.resolve(null) }
  const partial = join(recoveryDir, `.${name}.${id}.partial`)
  const done = context.runEngine('copy-database', { source: target, copy: partial }, signal && { signal })
  done.catch(() => {}) // reported to whoever waits for it
  return { partial, name, done }
}

/** Where a copy goes once it is complete. */
export function safetyCopyOf ({ settings: { recoveryDir } }: SnapshotContext, { partial, name }: BulkCopy): SafetyCopy | null {
  const path = (file: string): string => join(recoveryDir, `${file}.db`)
  return partial === null ? null : { partial, path: path(name), latest: name.startsWith('pre_restore') ? path('pre_restore_latest') : null }
}

/** Waits for a copy that is not wanted any more, and removes what is left of it. */
export async function discardCopy ({ partial, done }: BulkCopy): Promise<void> {
  await Promise.allSettled([done])
  if (partial !== null) removeOrLeave(() => { removeDatabase(partial) })
}

/** What cannot be removed says nothing of the change; it is swept later. */
function removeOrLeave (remove: () => void): void {
  try {
    remove()
  } catch {}
}

/**
 * Replaces the content of the live database, once the copy of it is made and completed under the write lock, so no
 * acknowledged write is in neither. Where that lock was taken, the intent file says so ({@link readIntent}); the caller
 * removes it.
 */
export async function replaceLiveContent (context: SnapshotContext, { id, image, name, copy, signal, onBackedUp, onApplying }: Replacement): Promise<ApplyImageResult> {
  const { target, settings: { recoveryDir }, engineLockFile } = context
  const link = join(recoveryDir, `.${copy.name}.${id}.live`)
  try {
    const copiedAt = await copy.done
    step('change: copied')
    onBackedUp?.()
    signal?.throwIfAborted()
    onApplying?.()
    return await context.runEngine('apply-image', {
      id,
      target,
      image,
      name,
      lockFile: engineLockFile,
      link: process.platform === 'win32' ? null : link, // making links takes special rights there
      safetyCopy: safetyCopyOf(context, copy),
      copiedAt,
      intentFile: intentFile(recoveryDir, id),
      quarantine: join(recoveryDir, firstFree(`quarantine_${timeStamp(new Date())}`, '_', taken => existsSync(join(recoveryDir, taken))))
    }, { priority: 'normal' })
  } finally {
    await discardCopy(copy)
    removeOrLeave(() => { rmSync(link, { force: true }) }) // an engine that was killed could not
  }
}
