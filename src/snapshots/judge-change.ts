import { existsSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import type { Verdict } from '../engine/apply/judge-content.ts'
import type { RestoreMode, TableDiff } from '../engine/tables/reports.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import type { LiveChange } from './record-change.ts'
import { removeDatabase } from './remove-database.ts'
import { isReplacement, readIntent, stagedName, type RestoreIntent } from './restore-intent.ts'

/**
 * Where an engine could not say whether a change was applied, the live database does.
 * @returns false where it had not come so far
 */
export async function judgeFailed (context: SnapshotContext, change: LiveChange): Promise<boolean> {
  const intent = readIntent(context.settings.recoveryDir, change.id)
  if (intent === null) return false
  Object.assign(change, { backup: intent.backup, isApplied: null })
  try {
    const verdict = await judgeChange(context, change.id, intent)
    change.isApplied = { old: false, new: true, unknown: null }[verdict]
  } catch (error) {
    context.logger.warn({ err: error }, `It could not be told whether the database was changed: ${messageOf(error)}`)
  }
  return true
}

/**
 * Tells from the live database whether an interrupted change was applied. One that replaces the file is taken back or completed.
 * @throws what is worth another try later; anything else would keep the change from being settled for ever
 */
export async function judgeChange (context: SnapshotContext, id: string, intent: RestoreIntent): Promise<Verdict> {
  const { target, logger } = context
  if (isReplacement(intent)) {
    const { backup, ...settled } = intent
    return await context.runEngine('settle-replacement', { path: target.path, id, ...settled }) ? 'new' : 'old'
  }
  const image = context.temporaryFile(stagedName(id))
  if (!existsSync(image)) return 'unknown'
  try {
    const { backup, tables, mode } = intent
    if (tables !== undefined) return await judgeTables(context, id, { image, backup, tables, mode })
    return await context.runEngine('judge-content', { target, image, backup })
  } catch (error) {
    if (mayPass(error)) throw error
    logger.warn({ err: error }, `It could not be told whether an interrupted restore had been applied: ${messageOf(error)}`)
    return 'unknown'
  }
}

/** Whether something may go well when it is tried again later. */
export const mayPass = (error: unknown): boolean => /^FST_SNAPSHOT_(DATABASE_LOCKED|DATABASE_UNWRITABLE|NO_ROOM|ENGINE_FAILED|BUSY|CANCELLED)$/.test(String(codeOf(error)))

/** By what the tables hold: where the application has gone on with them, it cannot be told. */
async function judgeTables (context: SnapshotContext, id: string, { image, backup, tables, mode }: { image: string, backup: string, tables: string[], mode: RestoreMode | undefined }): Promise<Verdict> {
  const names = new Set(tables.map(name => name.toLowerCase()))
  const isSame = async (file: string, isAsWanted: (diff: TableDiff) => boolean): Promise<boolean> => {
    const diff = await context.runEngine('diff-tables', { target: context.target, image: file, name: file })
    return diff.tables.filter(({ name }) => names.has(name.toLowerCase())).every(table => table.problem === null && isAsWanted(table))
  }
  const isEqual = ({ onlyInSnapshot, onlyInLive, changed }: TableDiff): boolean => onlyInSnapshot === 0 && onlyInLive === 0 && changed === 0
  const before = context.temporaryFile(`restore-${id}.before.db`)
  try {
    await copyFile(backup, before) // it is looked at by SQLite, which may leave files beside it
    if (await isSame(before, isEqual)) return 'old'
    return await isSame(image, mode === 'replace' ? isEqual : ({ onlyInSnapshot }) => onlyInSnapshot === 0) ? 'new' : 'unknown'
  } finally {
    removeDatabase(before)
  }
}
