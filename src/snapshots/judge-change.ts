import { existsSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import type { Verdict } from '../engine/apply/judge-content.ts'
import type { TableDiff } from '../engine/tables/reports.ts'
import type { SnapshotContext } from './context.ts'
import { removeDatabase } from './remove-database.ts'
import { stagedName, type RestoreIntent } from './restore-intent.ts'

/** Tells from the live database whether an interrupted change was applied. One that replaces the file is taken back or completed. */
export async function judgeChange (context: SnapshotContext, id: string, intent: RestoreIntent): Promise<Verdict> {
  const { target } = context
  const { backup, quarantine, isCheckpointed = false, wasMissing = false } = intent
  if (quarantine !== undefined) return await context.runEngine('settle-replacement', { path: target.path, id, quarantine, isCheckpointed, wasMissing }) ? 'new' : 'old'
  const image = context.temporaryFile(stagedName(id))
  if (backup === null || !existsSync(image)) return 'unknown'
  if (intent.tables !== undefined) return await judgeTables(context, id, image, backup, intent)
  return await context.runEngine('judge-content', { target, image, backup })
}

/** By what the tables hold: where the application has gone on with them, it cannot be told. */
async function judgeTables (context: SnapshotContext, id: string, image: string, backup: string, { tables = [], mode }: RestoreIntent): Promise<Verdict> {
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
