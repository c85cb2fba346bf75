import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type Database from 'better-sqlite3'
import { readDirectly, type PageSource } from './page-source.ts'
import { syncFile } from './safety-copy.ts'
import { explainedAsync, openTarget, type Target } from './target-database.ts'

export interface CopyDatabaseInput {
  source: Target
  /** A path where nothing exists yet. */
  copy: string
}

const BLOCK_BYTES = 1024 * 1024
/** Pages a backup step copies; between steps the process can answer. */
const STEP_PAGES = 10_000

/** Copies the application's database as it is at one moment into a new file, durably. */
export async function copyDatabase ({ source, copy }: CopyDatabaseInput): Promise<void> {
  await explainedAsync(source, async () => {
    const database = openTarget(source)
    try {
      await readDirectly(database, async pages => { await writePages(pages, copy) }, async () => {
        rmSync(copy, { force: true })
        await copyPinned(database, copy)
        syncFile(copy)
      })
    } finally {
      database.close()
    }
  })
}

async function writePages ({ pageSize, pageCount, read }: PageSource, copy: string): Promise<void> {
  const size = pageSize * pageCount
  const handle = await open(copy, 'wx', 0o600)
  try {
    const block = Buffer.allocUnsafe(BLOCK_BYTES)
    for (let offset = 0; offset < size; offset += BLOCK_BYTES) {
      const bytes = block.subarray(0, Math.min(BLOCK_BYTES, size - offset))
      read(bytes, offset)
      await handle.writeFile(bytes)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
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
