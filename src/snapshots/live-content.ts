import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ApplyImageResult } from '../engine/apply-image.ts'
import type { SnapshotContext } from './context.ts'
import { removeDatabase } from './remove-database.ts'
import { intentFile } from './restore-intent.ts'
import { firstFree, timeStamp } from './snapshot-name.ts'

/** Names of safety copies that are not complete yet; with their journals. */
export const PARTIAL_BACKUP = /^\.pre_(restore|rollback)_.*\.partial/

export interface Replacement {
  /** Names the operation in files that only it uses. */
  id: string
  /** The database file whose content goes live. */
  image: string
  /** What it is called in errors. */
  name: string
  /** What the content from before is kept as. */
  kind: 'pre_restore' | 'pre_rollback'
  /** Ends it while nothing has been changed yet; from the write lock on it is not heeded. */
  signal?: AbortSignal
  onBackedUp?: () => void
}

/**
 * Replaces the content of the live database, first making a safety copy of it: in bulk beside the running application,
 * then completed under the write lock, so no acknowledged write is in neither. Where that lock was taken, the intent file
 * says so ({@link readIntent}); the caller removes it.
 */
export async function replaceLiveContent (context: SnapshotContext, { id, image, name, kind, signal, onBackedUp }: Replacement): Promise<ApplyImageResult> {
  const { target, settings: { recoveryDir }, engineLockFile } = context
  mkdirSync(recoveryDir, { recursive: true, mode: 0o700 })
  const stamp = timeStamp(new Date())
  const path = (file: string): string => join(recoveryDir, `${file}.db`)
  const file = firstFree(`${kind}_${stamp}`, '_', taken => existsSync(path(taken)))
  const partial = join(recoveryDir, `.${file}.${id}.partial`)
  const link = `${partial}.live`
  const isThere = existsSync(target.path)
  try {
    if (isThere) await context.runEngine('copy-database', { source: target, copy: partial }, signal && { signal })
    onBackedUp?.()
    signal?.throwIfAborted()
    return await context.runEngine('apply-image', {
      target,
      image,
      name,
      lockFile: engineLockFile,
      link: process.platform === 'win32' ? null : link, // making links takes special rights there
      safetyCopy: isThere ? { partial, path: path(file), latest: kind === 'pre_restore' ? path('pre_restore_latest') : null } : null,
      intentFile: intentFile(recoveryDir, id),
      quarantine: join(recoveryDir, firstFree(`quarantine_${stamp}`, '_', taken => existsSync(join(recoveryDir, taken))))
    }, { priority: 'normal' })
  } finally {
    removeDatabase(partial)
    rmSync(link, { force: true }) // an engine that was killed could not
  }
}
