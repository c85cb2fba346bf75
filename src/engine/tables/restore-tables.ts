import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type Database from 'better-sqlite3'
import { BusyError, codeOf, messageOf, NotRestorableError } from '../../errors.ts'
import { LockFile } from '../../lock-file.ts'
import { noteChecksum } from '../apply/backup-checksum.ts'
import { makeDurable } from '../apply/make-durable.ts'
import { completeSafetyCopy, writeDurably, type SafetyCopy } from '../apply/safety-copy.ts'
import { currentPages, TargetChanged } from '../apply/target-changed.ts'
import { askOften } from '../ask-often.ts'
import { kindOf } from '../database-kind.ts'
import type { FileState } from '../pages/file-state.ts'
import { LivePages } from '../pages/live-pages.ts'
import { explainedAsync, openTarget, type Target } from '../target-database.ts'
import { attachSnapshot } from './attach-snapshot.ts'
import { ForeignKeys } from './foreign-keys.ts'
import { planRestore } from './restore-plan.ts'
import { rebuildSearch, restoreRows } from './restore-rows.ts'
import type { RestoredTable, RestoreMode, StaleIndex } from './reports.ts'
import { step } from '../../step.ts'

export interface RestoreTablesInput {
  target: Target
  /** A staged snapshot, a plain database file that nothing else uses. */
  image: string
  /** What the snapshot is called in errors. */
  name: string
  /** Names of the tables to restore; what follows from them (indexes, full-text indexes of their content) comes along. */
  tables: string[]
  mode: RestoreMode
  /** Taken until this process ends, so nobody works on the database while an orphan might. */
  lockFile: string
  /** A copy of the live database to complete under the write lock. */
  safetyCopy: SafetyCopy
  /** Where the live database's log stood when that copy was made; null where it is not known. */
  copiedAt: FileState | null
  /** Written durably under the write lock, before the first change. */
  intentFile: string
}

export interface RestoreTablesResult {
  /** Path of the completed safety copy. */
  backup: string
  /** Milliseconds for which writers of the application had to wait. */
  lockedMs: number
  tables: RestoredTable[]
  /** Full-text indexes of the tables' content that could not be made anew. */
  staleIndexes: StaleIndex[]
}

const RETRY_MS = 5

/** Held by the process; a local variable could be collected, and the lock with it. */
let engineLock: LockFile | null = null

/**
 * Brings tables of a snapshot into the live database, in one transaction. Before the first change, and under the same write
 * lock, the safety copy is completed; under that lock nobody is waited for. Before the commit the foreign keys are checked,
 * whether the application enforces them or not. On any error everything is as it was.
 * @throws FST_SNAPSHOT_NOT_RESTORABLE where a table is not there, has other columns now, breaks a constraint or a foreign key
 */
export async function restoreTables (input: RestoreTablesInput): Promise<RestoreTablesResult> {
  const { target } = input
  engineLock = LockFile.takeBlocking(input.lockFile, target.lockTimeoutMs)
  if (engineLock === null) throw new BusyError()
  const deadline = performance.now() + target.lockTimeoutMs
  for (;;) {
    try {
      return await explainedAsync(target, async () => await restoreInto(input))
    } catch (error) {
      if (!(error instanceof TargetChanged) || performance.now() >= deadline) throw error
      await sleep(RETRY_MS)
    }
  }
}

async function restoreInto (input: RestoreTablesInput): Promise<RestoreTablesResult> {
  const { target, image, name, safetyCopy } = input
  const live = openTarget(target)
  let isCommitted = false
  try {
    const kind = kindOf(live)
    const pages = new LivePages(live.name, kind)
    live.pragma('foreign_keys = OFF') // not within a transaction
    askOften(live, () => live.exec('BEGIN IMMEDIATE'))
    const since = performance.now()
    const committed = currentPages(pages, kind)
    attachSnapshot(live, image, name) // only now, or the transaction would be one of both files
    const plan = planRestore(live, input.tables, name)
    step('tables: write-locked')
    completeSafetyCopy(safetyCopy, committed, pages.changedSince(input.copiedAt))
    writeDurably(input.intentFile, JSON.stringify({ backup: safetyCopy.path, tables: plan.map(({ snapshot }) => snapshot.name), mode: input.mode }))
    step('tables: intent noted')
    const result = change(live, input, plan)
    step('tables: changed')
    live.exec('COMMIT')
    isCommitted = true
    step('tables: committed')
    const lockedMs = Math.round(performance.now() - since)
    await makeDurable(live, pages, kind.isWal)
    noteChecksum(safetyCopy.path)
    return { backup: safetyCopy.path, lockedMs, ...result }
  } finally {
    live.close() // an open transaction ends with it
    if (!isCommitted) rmSync(input.intentFile, { force: true })
  }
}

function change (live: Database.Database, { mode, name }: RestoreTablesInput, plan: ReturnType<typeof planRestore>): Pick<RestoreTablesResult, 'tables' | 'staleIndexes'> {
  const names = plan.map(({ snapshot }) => snapshot.name)
  const foreignKeys = new ForeignKeys(live, names)
  const tables = explainConstraints(name, () => restoreRows(live, plan, mode))
  const broken = foreignKeys.broken(tables.filter(({ isNew }) => isNew).map(table => table.name))
  if (broken.length > 0) {
    const list = broken.map(({ table, parent, rows }) => `${rows} of "${table}" would refer to rows of "${parent}" that are not there`)
    throw new NotRestorableError(name, `rows ${list.join(', ')}. Restore those tables with it`)
  }
  return { tables, staleIndexes: rebuildSearch(live, names) }
}

function explainConstraints<T> (name: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!/^SQLITE_(CONSTRAINT|ERROR)/.test(String(codeOf(error)))) throw error
    throw new NotRestorableError(name, `its rows do not go into the live database: ${messageOf(error)}`, { cause: error })
  }
}
