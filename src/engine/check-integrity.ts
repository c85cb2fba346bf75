import type Database from 'better-sqlite3'
import { codeOf, messageOf } from '../errors.ts'
import { explained, openTarget, type Target } from './target-database.ts'

/** `quick` reads every page but compares no index with its table; `full` does that too, in about twice the time. */
export type CheckMode = 'quick' | 'full'

export interface CheckIntegrityInput {
  target: Target
  mode: CheckMode
  /** Whether rows that refer to missing ones are damage, too. Default false. */
  foreignKeys?: boolean
}

export interface IntegrityReport {
  isHealthy: boolean
  /** What is damaged, in SQLite's words; at most 100. */
  errors: string[]
  /** What SQLite cannot judge outside the application: functions, collations and virtual tables that only that has. */
  unchecked: string[]
}

/** As many as SQLite's own checks give. */
const ERRORS_KEPT = 100

/** An unreadable or missing file is an unhealthy database, a locked or unwritable one is an error: it was not judged. */
const DAMAGE_CODES = new Set(['FST_SNAPSHOT_DATABASE_MISSING', 'FST_SNAPSHOT_NOT_A_DATABASE', 'FST_SNAPSHOT_DATABASE_DAMAGED'])

export async function checkIntegrity ({ target, mode, foreignKeys = false }: CheckIntegrityInput): Promise<IntegrityReport> {
  try {
    const database = openTarget(target)
    try {
      return explained(target, () => {
        const report = inspect(database, mode)
        if (!foreignKeys || !report.isHealthy) return report
        const { isHealthy, errors, unchecked } = checkForeignKeys(database)
        return { isHealthy, errors, unchecked: [...report.unchecked, ...unchecked] }
      })
    } finally {
      database.close()
    }
  } catch (error) {
    if (!DAMAGE_CODES.has(String(codeOf(error)))) throw error
    return { isHealthy: false, errors: [messageOf(error)], unchecked: [] }
  }
}

/** Rows that refer to what is not there. Where SQLite cannot tell, as for a collation of the application or a target that is not unique, nothing is said. */
function checkForeignKeys (database: Database.Database): IntegrityReport {
  const report: IntegrityReport = { isHealthy: true, errors: [], unchecked: [] }
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all() as string[]
  for (const name of tables) {
    try {
      for (const { rowid, parent } of database.prepare('SELECT rowid, parent FROM pragma_foreign_key_check(?)').iterate(name) as IterableIterator<{ rowid: number | null, parent: string }>) {
        report.errors.push(`foreign key: ${rowid === null ? 'a row' : `row ${rowid}`} of ${name} refers to a row that ${parent} does not have`)
        if (report.errors.length === ERRORS_KEPT) return { ...report, isHealthy: false }
      }
    } catch (error) {
      if (!/^SQLITE_ERROR/.test(String(codeOf(error)))) throw error
      report.unchecked.push(`foreign keys of ${name}: ${messageOf(error)}`)
    }
  }
  return { ...report, isHealthy: report.errors.length === 0 }
}

/** Checks an open database within its current transaction. */
export function inspect (database: Database.Database, mode: CheckMode): IntegrityReport {
  const unchecked = new Set<string>()
  const errors = checkWhole(database, mode, unchecked)
  for (const { name, module } of unknownVirtualTables(database)) unchecked.add(`table ${name}: unknown module ${String(module)}`)
  return { isHealthy: errors.length === 0, errors, unchecked: [...unchecked] }
}

function checkWhole (database: Database.Database, mode: CheckMode, unchecked: Set<string>): string[] {
  const missing = new Set<string>()
  // With stand-ins for missing functions only the structure can be judged as a whole; the indexes follow one by one.
  const structure = runKnowing(database, () => missing.size > 0 ? 'quick' : mode, missing, unchecked)
  const isComplete = structure !== null && (structure.length > 0 || missing.size === 0 || mode === 'quick')
  return isComplete ? structure : checkTables(database, mode, missing, unchecked)
}

/** Checks table by table, passing over the parts that need what only the application has. */
function checkTables (database: Database.Database, mode: CheckMode, missing: Set<string>, unchecked: Set<string>): string[] {
  const errors: string[] = []
  const objects = database.prepare('SELECT type, name, tbl_name AS owner, sql FROM sqlite_schema').all() as Array<{ type: string, name: string, owner: string, sql: string | null }>
  for (const table of objects.filter(object => object.type === 'table')) {
    const unknowable = objects.filter(object => object.owner === table.name && [...missing].some(name => String(object.sql).toLowerCase().includes(name.toLowerCase())))
    for (const object of unknowable) unchecked.add(`${object.type} ${object.name}`)
    const found = runKnowing(database, () => unknowable.length > 0 ? 'quick' : mode, missing, unchecked, table.name)
    if (found === null) unchecked.add(`table ${table.name}`)
    else errors.push(...found)
  }
  return errors
}

/** Runs a check with stand-ins for functions that only the application has; null where it needs more than those. */
function runKnowing (database: Database.Database, mode: () => CheckMode, missing: Set<string>, unchecked: Set<string>, table?: string): string[] | null {
  for (;;) {
    try {
      return runCheck(database, mode(), table)
    } catch (error) {
      const name = /^(?:unknown function: |no such function: )(.+?)(?:\(\))?$/.exec(messageOf(error))?.[1]
      if (/no such (collation|module)/.test(messageOf(error))) return null
      if (name === undefined || missing.has(name)) throw error
      missing.add(name)
      unchecked.add(`function ${name}`)
      database.function(name, { deterministic: true, varargs: true }, () => null)
    }
  }
}

function runCheck (database: Database.Database, mode: CheckMode, table?: string): string[] {
  const argument = table === undefined ? '' : `('${table.replaceAll("'", "''")}')`
  const rows = database.pragma(`${mode === 'quick' ? 'quick_check' : 'integrity_check'}${argument}`) as Array<Record<string, string>>
  return rows.map(row => String(Object.values(row)[0])).filter(message => message !== 'ok')
}

function unknownVirtualTables (database: Database.Database): Array<{ name: string, module: string | undefined }> {
  const known = new Set(database.prepare('SELECT lower(name) FROM pragma_module_list').pluck().all())
  const tables = database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'").all() as Array<{ name: string, sql: string }>
  return tables
    .map(({ name, sql }) => ({ name, module: /\bUSING\s+["'`[]?(\w+)/i.exec(sql)?.[1] }))
    .filter(({ module }) => !known.has(String(module).toLowerCase()))
}
