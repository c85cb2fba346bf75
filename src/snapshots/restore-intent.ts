import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What an engine notes durably under the write lock, before it writes the first page: from here on the live database may
 * have changed. The engine cannot ask its host to note it, for the host may be waiting for that very lock.
 */
export interface RestoreIntent {
  /** The live file's schema cookie: while the file still has it, nothing was applied. */
  schemaCookie: number
  /** Path of the complete pre-restore backup. */
  backup: string
}

export const intentFile = (recoveryDir: string, restoreId: string): string => join(recoveryDir, `.${restoreId}.intent`)

/** Null where the write lock was never taken. */
export function readIntent (recoveryDir: string, restoreId: string): RestoreIntent | null {
  try {
    return JSON.parse(readFileSync(intentFile(recoveryDir, restoreId), 'utf8'))
  } catch {
    return null
  }
}

export function removeIntent (recoveryDir: string, restoreId: string): void {
  rmSync(intentFile(recoveryDir, restoreId), { force: true })
}
