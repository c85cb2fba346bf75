import { Type } from '@sinclair/typebox'
import type { DatabaseIntegrity, FileReplacement, RestoreResult, RollbackResult } from './snapshots/outcomes.ts'
import type { RecordedError, Snapshot } from './snapshots/snapshot.ts'

/**
 * What an application may do when something happens. A hook that fails is logged; only `onBeforeRestore` stops anything by it.
 * Hooks must not wait for another operation of the same writer in `onBeforeRestore`, `onBeforeReplace` and `onAfterReplace`: it
 * would wait for this one.
 */
export interface SnapshotHooks {
  /** A snapshot was completed. */
  onSnapshotCreated?: (snapshot: Snapshot) => void | Promise<void>
  /** A creation failed. */
  onSnapshotFailed?: (failure: { name: string, error: RecordedError }) => void | Promise<void>
  /** A restore of a snapshot, or of tables of it, is about to begin. It does not, and the database stays as it is, where this throws, or takes longer than `replaceTimeout`. */
  onBeforeRestore?: (snapshot: Snapshot) => void | Promise<void>
  /** The database has the content of a snapshot. */
  onRestored?: (result: RestoreResult) => void | Promise<void>
  /** The database has the content from before a restore again. */
  onRolledBack?: (result: RollbackResult) => void | Promise<void>
  /** A check found the database damaged or missing. */
  onIntegrityFailed?: (integrity: DatabaseIntegrity) => void | Promise<void>
  /**
   * The file of the database is about to be replaced by another, as SQLite cannot change its content: the application must close
   * its connections now. It is waited for up to `replaceTimeout`.
   */
  onBeforeReplace?: (replacement: FileReplacement) => void | Promise<void>
  /** Another file is there: the application opens its connections again. It is called as well where the replacement failed, and the old file is still there. */
  onAfterReplace?: (replacement: FileReplacement) => void | Promise<void>
}

export const HOOKS = ['onSnapshotCreated', 'onSnapshotFailed', 'onBeforeRestore', 'onRestored', 'onRolledBack', 'onIntegrityFailed', 'onBeforeReplace', 'onAfterReplace'] as const satisfies Array<keyof SnapshotHooks>

/** The hooks as options. */
export const hookOptions = Object.fromEntries(HOOKS.map(name => [name, Type.Function([], Type.Any())]))
