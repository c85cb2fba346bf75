import type Database from 'better-sqlite3'
import { messageOf } from '../../errors.ts'
import { pin } from '../pages/page-source.ts'
import { explained, openTarget, type Target } from '../target-database.ts'
import { attachSnapshot } from './attach-snapshot.ts'
import { comparisonOf, countDifferences } from './compare-rows.ts'
import { countRows, findNamed, isSameName, objectsOf, tablesOf } from './schema.ts'
import type { Column, ColumnDifferences, DatabaseDiff, SchemaDifference, Table, TableDiff } from './reports.ts'

export interface DiffTablesInput {
  /** The live database. */
  target: Target
  /** A staged snapshot, a plain database file that nothing else uses. */
  image: string
  /** What the snapshot is called in errors. */
  name: string
}

/**
 * Sets a staged snapshot against the live database as it is at one moment. In the rollback-journal modes writers wait until
 * it is done; in WAL mode the log grows as long.
 */
export async function diffTables ({ target, image, name }: DiffTablesInput): Promise<DatabaseDiff> {
  const database = openTarget(target)
  try {
    return explained(target, () => {
      attachSnapshot(database, image, name)
      database.pragma('query_only = ON')
      pin(database)
      const [snapshot, live] = ['snapshot', 'main'].map(schema => tablesOf(database, schema).filter(({ kind }) => kind !== 'shadow')) as [Table[], Table[]]
      const names = [...live, ...snapshot.filter(({ name }) => findNamed(live, name) === undefined)].map(({ name }) => name).sort()
      const tables = names.map(name => diffTable(database, findNamed(snapshot, name), findNamed(live, name)))
      return { tables, schema: schemaDifferences(database, snapshot, live) }
    })
  } finally {
    database.close()
  }
}

function diffTable (database: Database.Database, snapshot: Table | undefined, live: Table | undefined): TableDiff {
  const { name, kind } = live ?? snapshot as Table
  const diff: TableDiff = { name, kind, snapshotRows: null, liveRows: null, comparedBy: null, onlyInSnapshot: null, onlyInLive: null, changed: null, columns: columnDifferences(snapshot, live), problem: null }
  try {
    if (snapshot !== undefined) diff.snapshotRows = countRows(database, 'snapshot', name)
    if (live !== undefined) diff.liveRows = countRows(database, 'main', name)
    if (snapshot === undefined || live === undefined) return { ...diff, onlyInSnapshot: diff.snapshotRows ?? 0, onlyInLive: diff.liveRows ?? 0, changed: 0 }
    if (kind === 'virtual' || snapshot.kind === 'virtual') return { ...diff, problem: 'the rows of virtual tables are not compared' }
    const comparison = comparisonOf(database, snapshot, live)
    if (comparison.columns.length === 0) return { ...diff, problem: 'no stored column is in both' }
    return { ...diff, ...countDifferences(database, comparison), comparedBy: comparison.key === null ? 'row' : 'key' }
  } catch (error) {
    return { ...diff, problem: messageOf(error) } // damage in one table says nothing of the others
  }
}

function columnDifferences (snapshot: Table | undefined, live: Table | undefined): ColumnDifferences {
  if (snapshot === undefined || live === undefined) return { onlyInSnapshot: [], onlyInLive: [], changed: [] }
  return {
    onlyInSnapshot: snapshot.columns.filter(({ name }) => findNamed(live.columns, name) === undefined).map(({ name }) => name),
    onlyInLive: live.columns.filter(({ name }) => findNamed(snapshot.columns, name) === undefined).map(({ name }) => name),
    changed: live.columns.filter(column => isChanged(column, findNamed(snapshot.columns, column.name))).map(({ name }) => name)
  }
}

const isChanged = (column: Column, other: Column | undefined): boolean => other !== undefined && JSON.stringify({ ...column, name: '' }) !== JSON.stringify({ ...other, name: '' })

function schemaDifferences (database: Database.Database, snapshot: Table[], live: Table[]): SchemaDifference[] {
  type Statement = Pick<SchemaDifference, 'type' | 'name'> & { sql: string }
  const all = (schema: string, tables: Table[]): Statement[] => [...tables.map(({ name, sql }) => ({ type: 'table' as const, name, sql })), ...objectsOf(database, schema)]
  const [theirs, ours] = [all('snapshot', snapshot), all('main', live)]
  const counterpart = (statements: Statement[], { type, name }: Statement): string | null => statements.find(other => other.type === type && isSameName(other.name, name))?.sql ?? null
  return [
    ...theirs.map(object => ({ type: object.type, name: object.name, snapshot: object.sql as string | null, live: counterpart(ours, object) })),
    ...ours.filter(object => counterpart(theirs, object) === null).map(object => ({ type: object.type, name: object.name, snapshot: null, live: object.sql }))
  ].filter(({ snapshot, live }) => snapshot !== live)
}
