import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { chmod, open } from 'node:fs/promises'
import type Database from 'better-sqlite3'
import { cloneFile } from './clone-file.ts'
import { LOCK_BYTE } from '../pages/page-reader.ts'
import { readDirectly, type PageSource } from '../pages/page-source.ts'
import { syncFile } from './safety-copy.ts'
import { explainedAsync, openTarget, type Target } from '../target-database.ts'
import type { FileState } from '../pages/file-state.ts'
import { writeFully } from '../write-fully.ts'
import { step } from '../../step.ts'

export interface CopyDatabaseInput {
  source: Target
  /** A path where nothing exists yet. */
  copy: string
}

const BLOCK_BYTES = 1024 * 1024
/** Pages a backup step copies; between steps the process can answer. */
const STEP_PAGES = 10_000

/**
 * Copies the application's database as it is at one moment into a new file, durably.
 * @returns how its files were at that moment; null where that is not known
 */
export async function copyDatabase ({ source, copy }: CopyDatabaseInput): Promise<FileState | null> {
  return await explainedAsync(source, async () => {
    const database = openTarget(source)
    try {
      return await readDirectly(database, async pages => {
        step('copy: pinned')
        if (!await clonePages(pages, copy)) await writePages(pages, copy)
        step('copy: written')
        return pages.state
      }, async () => {
        rmSync(copy, { force: true })
        await copyPinned(database, copy)
        syncFile(copy)
        return null
      })
    } finally {
      database.close()
    }
  })
}

/**
 * A clone of the file, where the file system has such, needs only the pages of the log besides. While the transaction is
 * pinned no other page of the file is written.
 * @returns false, having left nothing, where that is not possible
 */
export async function clonePages ({ files: { file, log }, pageSize, pageCount, read }: PageSource, copy: string, clone = cloneFile): Promise<boolean> {
  if (!await clone(file, copy)) return false
  await chmod(copy, 0o600)
  const handle = await open(copy, 'r+')
  try {
    await handle.truncate(pageCount * pageSize)
    const page = Buffer.allocUnsafe(pageSize)
    const lockBytePage = LOCK_BYTE / pageSize + 1 // is read as zeros, whatever the file has there
    for (let number = 1; number <= pageCount; number++) {
      if (number !== lockBytePage && !log?.frames[number]) continue
      read(page, (number - 1) * pageSize)
      await writeFully(handle, page, (number - 1) * pageSize)
    }
    await handle.sync()
    return true
  } finally {
    await handle.close()
  }
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
