import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { RestoreMode } from '../engine/tables/reports.ts'
import { codeOf } from '../errors.ts'

/**
 * What an engine notes durably under the write lock, before it writes the first page: from here on the live database may
 * have changed. The engine cannot ask its host to note it, for the host may be waiting for that very lock.
 */
export interface RestoreIntent {
  /** Path of the complete pre-restore backup; null where SQLite could not read what was there. */
  backup: string | null
  /** The folder that the old files are moved to, where the file is replaced and not its content. */
  quarantine?: string
  isCheckpointed?: boolean
  wasMissing?: boolean
  /** Which tables were to be restored, where it was not the whole database. */
  tables?: string[]
  mode?: RestoreMode
}

/** Name of the staged image; what was interrupted is judged by it. */
export const stagedName = (restoreId: string): string => `restore-${restoreId}.db`

/** Names of intent files. */
export const INTENT = /^\.[0-9a-f-]{36}\.intent$/

export const intentFile = (recoveryDir: string, restoreId: string): string => join(recoveryDir, `.${restoreId}.intent`)

/** Null where the write lock was never taken. */
export function readIntent (recoveryDir: string, restoreId: string): RestoreIntent | null {
  try {
    return JSON.parse(readFileSync(intentFile(recoveryDir, restoreId), 'utf8'))
  } catch (error) {
    // Cut short, it was written when the process was killed, before the first page.
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return null
    throw error
  }
}

export function removeIntent (recoveryDir: string, restoreId: string): void {
  rmSync(intentFile(recoveryDir, restoreId), { force: true })
}
