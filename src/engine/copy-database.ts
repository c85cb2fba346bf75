import { closeSync, fsyncSync, openSync, statSync } from 'node:fs'
import type Database from 'better-sqlite3'
import { pin } from './page-source.ts'
import { explainedAsync, openTarget, type Target } from './target-database.ts'

export interface CopyDatabaseInput {
  source: Target
  /** A path where nothing exists yet. */
  copy: string
}

/** Pages a backup step copies; between steps the process can answer. */
const STEP_PAGES = 10_000

/** Copies the application's database as it is at one moment into a new file, durably. */
export async function copyDatabase ({ source, copy }: CopyDatabaseInput): Promise<void> {
  await explainedAsync(source, async () => {
    const database = openTarget(source)
    try {
      pin(database)
      await copyPinned(database, copy)
    } finally {
      database.close()
    }
    const descriptor = openSync(copy, 'r+')
    fsyncSync(descriptor)
    closeSync(descriptor)
  })
}

/**
 * Copies what a pinned connection sees. Without the pin, SQLite's backup starts again from page 1 whenever another process
 * commits, and may never end.
 */
export async function copyPinned (database: Database.Database, copy: string): Promise<void> {
  closeSync(openSync(copy, 'wx', 0o600))
  const { totalPages } = await database.backup(copy, { progress: () => STEP_PAGES })
  // SQLite reports a step that found a lock as nothing done, and no error.
  if (totalPages === 0 && statSync(database.name).size > 0) throw new Error('nothing was copied')
}
