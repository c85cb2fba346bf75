import type Database from 'better-sqlite3'
import { messageOf } from '../../errors.ts'
import { canBeKeyless, comparisonOf, isKeyless, keylessRows, sameKey, storedColumns } from './compare-rows.ts'
import type { PlannedTable } from './restore-plan.ts'
import { hiddenRowidOf, isSameName, quoted, tablesOf } from './schema.ts'
import type { RestoredTable, RestoreMode, StaleIndex, Table } from './reports.ts'

/**
 * Writes the rows of planned tables within the connection's transaction. No trigger fires: those of the tables are dropped
 * first and made again at the end, in their order, which takes place in the same transaction; foreign keys must be off, or a
 * deletion would cascade.
 */
export function restoreRows (database: Database.Database, plan: PlannedTable[], mode: RestoreMode): RestoredTable[] {
  for (const { live, triggers } of plan) {
    for (const { name } of live === null ? [] : triggers) database.exec(`DROP TRIGGER main.${quoted(name)}`)
  }
  const restored = plan.map(table => restoreTable(database, table, mode))
  for (const { triggers } of plan) {
    for (const { sql } of triggers) database.prepare(sql).run()
  }
  return restored
}

function restoreTable (database: Database.Database, { snapshot, live, indexes }: PlannedTable, mode: RestoreMode): RestoredTable {
  if (live === null) database.prepare(snapshot.sql).run()
  const name = live?.name ?? snapshot.name
  const deletedRows = mode === 'replace' ? database.prepare(`DELETE FROM main.${quoted(name)}`).run().changes : 0
  const insertedRows = live === null || mode === 'replace' ? copyRows(database, snapshot, live ?? snapshot) : addMissingRows(database, snapshot, live)
  for (const { sql } of indexes) if (live === null) database.prepare(sql).run()
  raiseSequence(database, snapshot.name, name)
  return { name, isNew: live === null, deletedRows, insertedRows }
}

/** Rows keep their rowids, which a full-text index may refer to. */
function copyRows (database: Database.Database, snapshot: Table, live: Table): number {
  const rowid = hiddenRowidOf(database, 'main', live)
  const columns = storedColumns(live)
  const isSame = rowid === null && columns.length === live.columns.length && columns.every((name, index) => isSameName(name, String(snapshot.columns[index]?.name)))
  const list = [...rowid === null ? [] : [rowid], ...columns.map(quoted)].join(', ')
  const [into, from] = isSame ? ['', '*'] : [`(${list})`, list] // tables that are alike SQLite copies as they are stored
  return database.prepare(`INSERT OR ABORT INTO main.${quoted(live.name)} ${into} SELECT ${from} FROM snapshot.${quoted(snapshot.name)}`).run().changes
}

function addMissingRows (database: Database.Database, snapshot: Table, live: Table): number {
  const comparison = comparisonOf(database, snapshot, live)
  const { key, columns } = comparison
  const [table, list] = [quoted(live.name), columns.map(quoted).join(', ')]
  const insert = (rows: string): number => database.prepare(`INSERT OR ABORT INTO main.${table} (${list}) ${rows}`).run().changes
  const withKey = key === null
    ? 0
    : insert(`SELECT ${list} FROM snapshot.${table} AS s NOT INDEXED WHERE NOT (${isKeyless('s', key)}) AND NOT EXISTS (SELECT 1 FROM main.${table} AS l WHERE ${sameKey(key)})`)
  if (!canBeKeyless(comparison)) return withKey
  return withKey + insert(`
    WITH RECURSIVE copies AS (SELECT * FROM (${keylessRows(comparison)}) WHERE "surplus of row" > 0 UNION ALL SELECT ${list}, "surplus of row" - 1 FROM copies WHERE "surplus of row" > 1)
    SELECT ${list} FROM copies`)
}

/** No number is given out again that either database has given out. */
function raiseSequence (database: Database.Database, snapshot: string, live: string): void {
  const hasSequences = (schema: string): boolean => database.prepare(`SELECT 1 FROM ${schema}.sqlite_schema WHERE name = 'sqlite_sequence'`).get() !== undefined
  if (!hasSequences('snapshot') || !hasSequences('main')) return
  database.prepare(`
    UPDATE main.sqlite_sequence SET seq = max(sqlite_sequence.seq, theirs.seq) FROM snapshot.sqlite_sequence AS theirs
    WHERE sqlite_sequence.name = ? AND theirs.name = ?`).run(live, snapshot)
}

/** Triggers would have kept full-text indexes of the tables up to date. */
export function rebuildSearch (database: Database.Database, tables: string[]): StaleIndex[] {
  const indexes = tablesOf(database, 'main').filter(({ kind, sql }) => kind === 'virtual' && /\bUSING\s+fts[45]\b/i.test(sql))
  return indexes.filter(({ sql }) => tables.some(table => isSameName(table, contentOf(sql)))).flatMap(({ name }) => {
    try {
      database.prepare(`INSERT INTO main.${quoted(name)} (${quoted(name)}) VALUES ('rebuild')`).run()
      return []
    } catch (error) {
      return [{ name, reason: messageOf(error) }]
    }
  })
}

const contentOf = (sql: string): string => /\bcontent\s*=\s*["'`[]?([^"'`\],)]*)/i.exec(sql)?.[1]?.trim() ?? ''
