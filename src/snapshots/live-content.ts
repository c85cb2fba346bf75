import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runEngine } from '../engine/engine.ts'
import type { SnapshotContext } from './context.ts'
import { firstFree, timeStamp } from './snapshot-name.ts'

/** Names of safety copies that are not complete yet; with their journals. */
export const PARTIAL_BACKUP = /^\.pre_(restore|rollback)_.*\.partial/

export interface Replacement {
  /** The database file whose content goes live. */
  image: string
  /** What it is called in errors. */
  name: string
  /** What the content from before is kept as. */
  kind: 'pre_restore' | 'pre_rollback'
  /** Ends it while nothing has been changed yet; from the write lock on it is not heeded. */
  signal?: AbortSignal
  onBackedUp?: () => void
  /** Called under the write lock, when the safety copy is complete and before the first page is written. */
  onLocked?: (schemaCookie: number, backup: string) => void
}

export interface ReplacedContent {
  /** Path of the plain database that holds the content from before, or null where there was none. */
  backup: string | null
  /** Milliseconds for which the application's writers had to wait. */
  lockedMs: number
}

/**
 * Replaces the content of the live database, first making a safety copy of it: in bulk beside the running application,
 * then completed under the write lock, so no acknowledged write is in neither.
 */
export async function replaceLiveContent (context: SnapshotContext, { image, name, kind, signal, onBackedUp, onLocked }: Replacement): Promise<ReplacedContent> {
  const { target, settings: { recoveryDir }, engineLockFile } = context
  mkdirSync(recoveryDir, { recursive: true, mode: 0o700 })
  const stamp = timeStamp(new Date())
  const path = (file: string): string => join(recoveryDir, `${file}.db`)
  const file = firstFree(`${kind}_${stamp}`, '_', taken => existsSync(path(taken)))
  const safetyCopy = {
    partial: join(recoveryDir, `.${file}.partial`),
    path: path(file),
    latest: kind === 'pre_restore' ? path('pre_restore_latest') : null
  }
  const isThere = existsSync(target.path)
  try {
    if (isThere) await runEngine('copy-database', { source: target, copy: safetyCopy.partial }, signal && { signal })
    onBackedUp?.()
    signal?.throwIfAborted()
    const { lockedMs } = await runEngine('apply-image', {
      target,
      image,
      name,
      lockFile: engineLockFile,
      safetyCopy: isThere ? safetyCopy : null,
      quarantine: join(recoveryDir, `quarantine_${stamp}`)
    }, { priority: 'normal', onEvent: event => { if (event.type === 'locked') onLocked?.(event.schemaCookie, safetyCopy.path) } })
    return { backup: isThere ? safetyCopy.path : null, lockedMs }
  } finally {
    for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(safetyCopy.partial + suffix, { force: true })
  }
}
