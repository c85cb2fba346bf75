import Database from 'better-sqlite3'
import { inspect, type IntegrityReport } from '../check-integrity.ts'
import { quoted } from '../tables/schema.ts'
import { execute } from './execute.ts'
import type { Encoding, SchemaRow } from './read-schema.ts'
import { isInternal, isVirtual } from './shapes.ts'

/** Places of numbers in a file's header that are the application's. */
const USER_VERSION_AT = 60
const APPLICATION_ID_AT = 68

export interface NewDatabase {
  pageSize: number
  encoding: Encoding
  /** The header of the damaged file; null where it was damaged itself. */
  header: Buffer | null
}

/**
 * Begins a new database with the tables of a schema. What cannot be made is reported by {@link makeObjects}.
 * @param standIns see {@link execute}
 */
export function makeTables (database: Database.Database, rows: SchemaRow[], standIns: Set<string>, { pageSize, encoding, header }: NewDatabase): void {
  database.unsafeMode() // to fill what virtual tables keep, and to list those whose module is not known here
  for (const pragma of [`page_size = ${pageSize}`, `encoding = '${encoding}'`, 'journal_mode = OFF', 'synchronous = OFF', 'foreign_keys = OFF']) database.pragma(pragma)
  if (header !== null) {
    database.pragma(`user_version = ${header.readInt32BE(USER_VERSION_AT)}`)
    database.pragma(`application_id = ${header.readInt32BE(APPLICATION_ID_AT)}`)
  }
  database.exec('BEGIN')
  for (const row of rows) if (row.type === 'table' && isMakeable(row)) execute(database, row, standIns)
}

/** No number is given out again that was given out before, where that is known. */
export function writeSequences (database: Database.Database, sequences: Array<{ name: string, seq: bigint }>): void {
  for (const { name, seq } of sequences) {
    if (database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").get() === undefined) return
    const { changes } = database.prepare('UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?').run(seq, name)
    if (changes === 0) database.prepare('INSERT INTO sqlite_sequence (name, seq) SELECT name, ? FROM sqlite_schema WHERE name = ?').run(seq, name)
  }
}

/**
 * Makes everything but the tables, and commits.
 * @returns what could not be made, and why
 */
export function makeObjects (database: Database.Database, rows: SchemaRow[], standIns: Set<string>): string[] {
  const problems: string[] = []
  const report = ({ type, name }: SchemaRow, problem: string | null): void => { if (problem !== null) problems.push(`${type} "${name}": ${problem}`) }
  const isThere = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")
  for (const row of rows.filter(isMakeable)) {
    const unknown = [...standIns].filter(name => String(row.sql).toLowerCase().includes(name.toLowerCase()))
    if (row.type === 'index') report(row, unknown.length > 0 ? needs(unknown) : execute(database, row))
    else if (row.type === 'table' && isThere.get(row.name) === undefined) report(row, execute(database, row))
    else if (row.type === 'table' && unknown.length > 0 && /\bSTORED\b/i.test(String(row.sql))) report(row, `its computed columns are to be computed anew, ${needs(unknown)}`)
  }
  listVirtual(database, rows.filter(isVirtual))
  for (const type of ['view', 'trigger']) for (const row of rows) if (row.type === type) report(row, execute(database, row))
  database.exec('COMMIT')
  return problems
}

const needs = (names: string[]): string => `it needs what only the application has: ${names.join(', ')}`

/** Their own tables are there already, as ordinary ones. */
function listVirtual (database: Database.Database, rows: SchemaRow[]): void {
  database.pragma('writable_schema = ON')
  const insert = database.prepare("INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table', ?, ?, 0, ?)")
  for (const { name, sql } of rows) insert.run(name, name, sql)
  database.pragma('writable_schema = OFF')
}

const isMakeable = (row: SchemaRow): boolean => row.sql !== null && !isVirtual(row) && !isInternal(row)

/** Checks a new database. What its virtual tables keep may not be whole: they are made anew from that, or left out. */
export function checkSalvaged (path: string): { integrity: IntegrityReport, problems: string[] } {
  const problems: string[] = []
  let integrity = withDatabase(path, database => inspect(database, 'full'))
  for (const repair of [rebuildSearch, removeVirtual]) {
    if (integrity.isHealthy) break
    problems.push(...withDatabase(path, repair))
    integrity = withDatabase(path, database => inspect(database, 'full'))
  }
  return { integrity, problems }
}

function withDatabase<T> (path: string, run: (database: Database.Database) => T): T {
  const database = new Database(path)
  try {
    return run(database)
  } finally {
    database.close()
  }
}

const virtualIn = (database: Database.Database): string[] => database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage = 0").pluck().all() as string[]

function rebuildSearch (database: Database.Database): string[] {
  for (const name of virtualIn(database)) {
    try {
      database.exec(`INSERT INTO ${quoted(name)} (${quoted(name)}) VALUES ('rebuild')`)
    } catch {} // it is no full-text index, or its own content is damaged
  }
  return []
}

function removeVirtual (database: Database.Database): string[] {
  database.unsafeMode()
  database.pragma('writable_schema = ON')
  const names = virtualIn(database)
  database.exec("DELETE FROM sqlite_schema WHERE type = 'table' AND rootpage = 0")
  return names.map(name => `virtual table "${name}" was left out: what it kept is not whole, and now in ordinary tables`)
}
