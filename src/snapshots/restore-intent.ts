import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ReplacementIntent } from '../engine/apply/settle-replacement.ts'
import type { RestoreMode } from '../engine/tables/reports.ts'
import { codeOf } from '../errors.ts'

/** Before the first page of the live database is written. */
export interface ContentIntent {
  /** Path of the complete backup. */
  backup: string
  /** Which tables were to be restored, where it was not the whole database. */
  tables?: string[]
  mode?: RestoreMode
}

/**
 * What an engine notes durably, under the write lock where there is one, before it changes anything: from here on the live
 * database may have changed. The engine cannot ask its host to note it, for the host may be waiting for that very lock.
 */
export type RestoreIntent = ContentIntent | ReplacementIntent

/** Whether the file is put in place, and not its content changed. */
export const isReplacement = (intent: RestoreIntent): intent is ReplacementIntent => 'quarantine' in intent

/** Name of the staged image; what was interrupted is judged by it. */
export const stagedName = (restoreId: string): string => `restore-${restoreId}.db`

/** Names of intent files. */
export const INTENT = /^\.[0-9a-f-]{36}\.intent$/

export const intentFile = (recoveryDir: string, restoreId: string): string => join(recoveryDir, `.${restoreId}.intent`)

/** Null where nothing can have been changed. */
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

/** Whether it is not known yet if a file was put in the database's place: what tells that must stay. */
export function isUnsettled (recoveryDir: string, { id, isApplied }: { id: string, isApplied: boolean | null }): boolean {
  const intent = isApplied === null ? readIntent(recoveryDir, id) : null
  return intent !== null && isReplacement(intent)
}

export function removeIntent (recoveryDir: string, restoreId: string): void {
  rmSync(intentFile(recoveryDir, restoreId), { force: true })
}
