import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
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

/** What is to be settled, by the id of the restore. */
export function intentsIn (recoveryDir: string): Map<string, RestoreIntent> {
  const ids = existsSync(recoveryDir) ? readdirSync(recoveryDir).filter(file => INTENT.test(file)).map(file => file.slice(1, -'.intent'.length)) : []
  return new Map(ids.flatMap(id => {
    const intent = readIntent(recoveryDir, id)
    return intent === null ? [] : [[id, intent]]
  }))
}

/** Once it has ended. A replacement that is neither done nor taken back is settled later, by its intent. */
export function forgetIntent (recoveryDir: string, { id, isApplied }: { id: string, isApplied: boolean | null }): void {
  if (isApplied !== null || readIntent(recoveryDir, id)?.quarantine === undefined) removeIntent(recoveryDir, id)
}

export function removeIntent (recoveryDir: string, restoreId: string): void {
  rmSync(intentFile(recoveryDir, restoreId), { force: true })
}
