/*
 * What is told of tables. Types alone, as they are also the applications'.
 */

export interface Column {
  name: string
  /** As declared; empty where nothing is. */
  type: string
  isNotNull: boolean
  /** The expression of its DEFAULT. */
  default: string | null
  /** Its place in the primary key, from 1; 0 where it is no part of that. */
  keyPosition: number
  /** Whether it is computed from the others, and whether the result is stored. */
  generated: 'virtual' | 'stored' | null
}

/** `virtual` is computed by a module; `shadow` holds what such a module keeps. */
export type TableKind = 'table' | 'virtual' | 'shadow'

export interface Table {
  name: string
  kind: TableKind
  isWithoutRowid: boolean
  isStrict: boolean
  columns: Column[]
  /** The statement that made it. */
  sql: string
}

/** An index, trigger or view. */
export interface SchemaObject {
  type: 'index' | 'trigger' | 'view'
  name: string
  /** The table it belongs to; a view's own name. */
  table: string
  sql: string
}

export interface DatabaseContents {
  /** In the order of their names, without SQLite's own. */
  tables: Array<Table & { rows: number | null }>
  indexes: SchemaObject[]
  triggers: SchemaObject[]
  views: SchemaObject[]
}

/** A table, index, trigger or view of which the two have different statements; null where it is missing. */
export interface SchemaDifference { type: 'table' | 'index' | 'trigger' | 'view', name: string, snapshot: string | null, live: string | null }

/** Names of columns; a changed one has another type, default, place in the key, or is computed in one of the two. */
export interface ColumnDifferences { onlyInSnapshot: string[], onlyInLive: string[], changed: string[] }

export interface TableDiff {
  name: string
  kind: TableKind
  /** Null where the table is missing, or its rows cannot be counted. */
  snapshotRows: number | null
  liveRows: number | null
  /**
   * `key`: rows of the same primary key are one row, maybe changed. `row`: the table has no primary key (or not the same in
   * both), so whole rows are compared, and a changed one counts once on each side. Null: not compared.
   */
  comparedBy: 'key' | 'row' | null
  /** Rows; null where they were not compared. */
  onlyInSnapshot: number | null
  onlyInLive: number | null
  changed: number | null
  columns: ColumnDifferences
  /** Why the rows could not be compared. */
  problem: string | null
}

export interface DatabaseDiff {
  /** In the order of their names; what virtual tables keep in tables of their own is left out. */
  tables: TableDiff[]
  schema: SchemaDifference[]
}

/** `replace`: the rows become the snapshot's; `missing-rows`: those are added whose primary key is not there. */
export type RestoreMode = 'replace' | 'missing-rows'

export interface RestoredTable {
  name: string
  /** Whether the live database did not have it. */
  isNew: boolean
  deletedRows: number
  insertedRows: number
}

/** A full-text index that could not be made anew, so it finds what was there before. */
export interface StaleIndex { name: string, reason: string }
