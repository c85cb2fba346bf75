import type Database from 'better-sqlite3'
import { findNamed, isSameName, keyOf, quoted, type KeyColumn } from './schema.ts'
import type { Table } from './reports.ts'

/*
 * Rows of a table in two databases of one connection, set against each other by SQL, so no row comes to memory. Values are
 * the same only if type and bytes are: neither 1 and 1.0 nor what a collation holds for equal.
 */

/** What of a table can be compared: its stored columns that both have, by their names in the live one. */
export interface Comparison {
  table: string
  columns: string[]
  /** Tells which rows belong together; without it whole rows are compared, as often as each is there. */
  key: KeyColumn[] | null
}

/** Computed columns follow from the others. */
export const storedColumns = ({ columns }: Table): string[] => columns.filter(({ generated }) => generated === null).map(({ name }) => name)

export function comparisonOf (database: Database.Database, snapshot: Table, live: Table): Comparison {
  const theirs = storedColumns(snapshot)
  const columns = storedColumns(live).filter(name => theirs.some(other => isSameName(name, other)))
  return { table: live.name, columns, key: commonKey(database, snapshot, live) }
}

/** SQLite's own. Its list of collations also has those that a schema merely mentions. */
const COLLATIONS = new Set(['BINARY', 'NOCASE', 'RTRIM'])

/** A collation that only the application has cannot be used here; then only keys of the same bytes are one key. */
function commonKey (database: Database.Database, snapshot: Table, live: Table): KeyColumn[] | null {
  const [theirs, ours] = [keyOf(database, 'snapshot', snapshot), keyOf(database, 'main', live)]
  if (theirs === null || ours === null || theirs.length !== ours.length) return null
  if (!ours.every(({ name, collation }) => findNamed(theirs, name)?.collation === collation)) return null
  return ours.map(({ name, collation, canBeNull }) => ({ name, canBeNull, collation: COLLATIONS.has(collation.toUpperCase()) ? collation : 'BINARY' }))
}

/** Type and bytes of a row's values, as SQL. */
export const exactly = (row: string, columns: string[]): string => columns.map(name => `typeof(${row}.${quoted(name)}), +${row}.${quoted(name)} COLLATE BINARY`).join(', ')

/** Whether rows `s` and `l` have the same key, as SQL. */
export const sameKey = (key: KeyColumn[]): string => key.map(({ name, collation }) => `l.${quoted(name)} = s.${quoted(name)} COLLATE ${quoted(collation)}`).join(' AND ')

/** Whether a row has no key, as SQL. */
export const isKeyless = (row: string, key: KeyColumn[] | null): string => {
  const nullable = (key ?? []).filter(({ canBeNull }) => canBeNull)
  return key === null ? 'true' : ['false', ...nullable.map(({ name }) => `+${row}.${quoted(name)} IS NULL`)].join(' OR ')
}

/** A query for the rows without a key, each once, with `surplus of row`: how much more often the snapshot has it than the live database. */
export function keylessRows ({ table, columns, key }: Comparison): string {
  const values = columns.map(name => `+${quoted(name)} COLLATE BINARY AS ${quoted(name)}`).join(', ')
  const side = (schema: string, sign: number): string => `SELECT ${values}, ${sign} AS "side of row" FROM ${schema}.${quoted(table)} AS r NOT INDEXED WHERE ${isKeyless('r', key)}`
  return `SELECT ${columns.map(quoted).join(', ')}, sum("side of row") AS "surplus of row" FROM (${side('snapshot', 1)} UNION ALL ${side('main', -1)}) AS r GROUP BY ${exactly('r', columns)}`
}

/** Whether there can be such rows. */
export const canBeKeyless = ({ key }: Comparison): boolean => key === null || key.some(({ canBeNull }) => canBeNull)

export interface RowCounts { onlyInSnapshot: number, onlyInLive: number, changed: number }

/** Counts how the rows of both databases differ. */
export function countDifferences (database: Database.Database, comparison: Comparison): RowCounts {
  const [more, less] = !canBeKeyless(comparison) ? [0, 0] : database.prepare(`SELECT total(max("surplus of row", 0)), total(max(-"surplus of row", 0)) FROM (${keylessRows(comparison)})`).raw().get() as [number, number]
  if (comparison.key === null) return { onlyInSnapshot: more, onlyInLive: less, changed: 0 }
  const { table, columns, key } = comparison
  const [matched, changed] = database.prepare(`
    SELECT count(*), total((${exactly('s', columns)}) IS NOT (${exactly('l', columns)}))
    FROM snapshot.${quoted(table)} AS s NOT INDEXED CROSS JOIN main.${quoted(table)} AS l ON ${sameKey(key)}`).raw().get() as [number, number]
  const withKey = (schema: string): number => database.prepare(`SELECT count(*) FROM ${schema}.${quoted(table)} AS r NOT INDEXED WHERE NOT (${isKeyless('r', key)})`).pluck().get() as number
  return { onlyInSnapshot: withKey('snapshot') - matched + more, onlyInLive: withKey('main') - matched + less, changed }
}
