import type Database from 'better-sqlite3'
import { messageOf } from '../../errors.ts'
import type { Column, SchemaObject, Table, TableKind } from './reports.ts'

/** A column of a primary key; SQLite allows NULL in most, any number of times. */
export interface KeyColumn { name: string, collation: string, canBeNull: boolean }

/** SQLite compares names without regard to the case of ASCII letters. */
export const isSameName = (a: string, b: string): boolean => asciiLower(a) === asciiLower(b)
const asciiLower = (name: string): string => name.replace(/[A-Z]/g, letter => letter.toLowerCase())

export const findNamed = <T extends { name: string }>(objects: T[], name: string): T | undefined => objects.find(object => isSameName(object.name, name))

/** A name as it stands in SQL. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** The tables of one of the connection's databases, without SQLite's own. */
export function tablesOf (database: Database.Database, schema: string): Table[] {
  const rows = database.prepare(`
    SELECT list.name, list.type AS kind, list.wr, list.strict, object.sql
    FROM pragma_table_list AS list JOIN ${quoted(schema)}.sqlite_schema AS object ON object.name = list.name AND object.type = 'table'
    WHERE list.schema = ? AND list.type <> 'view' AND list.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY list.name`).all(schema) as Array<{ name: string, kind: TableKind, wr: number, strict: number, sql: string }>
  return rows.map(({ name, kind, wr, strict, sql }) => ({ name, kind, isWithoutRowid: wr === 1, isStrict: strict === 1, columns: columnsOf(database, schema, name), sql }))
}

const GENERATED: Record<number, Column['generated']> = { 2: 'virtual', 3: 'stored' }

function columnsOf (database: Database.Database, schema: string, table: string): Column[] {
  try {
    const rows = database.prepare('SELECT name, type, "notnull" AS isNotNull, dflt_value AS byDefault, pk, hidden FROM pragma_table_xinfo(?, ?)')
      .all(table, schema) as Array<{ name: string, type: string, isNotNull: number, byDefault: string | null, pk: number, hidden: number }>
    return rows.map(({ name, type, isNotNull, byDefault, pk, hidden }) => ({ name, type, isNotNull: isNotNull === 1, default: byDefault, keyPosition: pk, generated: GENERATED[hidden] ?? null }))
  } catch {
    return [] // of a virtual table whose module only the application has
  }
}

/** Indexes, triggers and views in the order they were made, without the indexes that a table's own constraints make. */
export function objectsOf (database: Database.Database, schema: string): SchemaObject[] {
  return database.prepare(`SELECT type, name, tbl_name AS "table", sql FROM ${quoted(schema)}.sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL ORDER BY rowid`).all() as SchemaObject[]
}

/** The columns whose values tell a table's rows apart; null where its declaration names none. */
export function keyOf (database: Database.Database, schema: string, { name, columns }: Table): KeyColumn[] | null {
  const first = columns.find(({ keyPosition }) => keyPosition === 1)
  if (first === undefined) return null
  const index = keyIndexOf(database, schema, name)
  if (index === undefined) return [{ name: first.name, collation: 'BINARY', canBeNull: false }]
  const parts = database.prepare('SELECT name, coll AS collation FROM pragma_index_xinfo(?, ?) WHERE key = 1 ORDER BY seqno').all(index, schema) as Array<Pick<KeyColumn, 'name' | 'collation'>>
  return parts.map(part => ({ ...part, canBeNull: findNamed(columns, part.name)?.isNotNull === false }))
}

/** @throws where a virtual table needs a module that only the application has, or its rows are damaged */
export function countRows (database: Database.Database, schema: string, table: string): number {
  const count = (how: string): number => database.prepare(`SELECT count(*) FROM ${schema}.${quoted(table)} ${how}`).pluck().get() as number
  try {
    return count('')
  } catch (error) {
    if (!/no such collation/.test(messageOf(error))) throw error
    return count('NOT INDEXED') // the application's collations are in its indexes only
  }
}

/** An INTEGER PRIMARY KEY has none: it is the rowid. */
export const keyIndexOf = (database: Database.Database, schema: string, table: string): unknown =>
  database.prepare("SELECT name FROM pragma_index_list(?, ?) WHERE origin = 'pk'").pluck().get(table, schema)

/** The column that is the rowid; null where none is. */
export function rowidColumnOf (database: Database.Database, schema: string, { name, columns }: Table): string | null {
  const first = columns.find(({ keyPosition }) => keyPosition === 1)
  return first === undefined || keyIndexOf(database, schema, name) !== undefined ? null : first.name
}

/** A name for a rowid that is none of the columns, nor a column's name; null where there is none. */
export function hiddenRowidOf (database: Database.Database, schema: string, table: Table): string | null {
  if (table.isWithoutRowid || rowidColumnOf(database, schema, table) !== null) return null
  return ['rowid', '_rowid_', 'oid'].find(alias => findNamed(table.columns, alias) === undefined) ?? null
}
