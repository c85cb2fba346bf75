import type Database from 'better-sqlite3'
import { messageOf } from '../../errors.ts'

/** Rows of a table that refer to nothing. */
export interface Violation { table: string, parent: string, rows: number }

/** Its name may be taken by nothing of the application's. */
const NOTED = 'temp."violations before the restore"'
const FOUND = 'SELECT "table", rowid AS "row", parent, fkid, count(*) AS times FROM pragma_foreign_key_check(?, \'main\') GROUP BY 1, 2, 3, 4'

/**
 * Finds what foreign keys a change breaks; what was broken before does not count. A row that referred to nothing may refer
 * to nothing still, and of tables without a rowid only the number of such rows is known.
 */
export class ForeignKeys {
  readonly #database: Database.Database
  /** The changed tables and those that refer to one. */
  readonly #tables: string[]

  /** Notes what is broken now. The connection must be in the transaction of the change. */
  constructor (database: Database.Database, changed: string[]) {
    this.#database = database
    database.exec(`CREATE TABLE ${NOTED} ("table", "row", parent, fkid, times)`)
    this.#tables = concerned(database, changed).filter(table => this.#note(table))
  }

  /** Notes what is broken in a table; false where SQLite cannot tell, as its foreign keys themselves are wrong. */
  #note (table: string): boolean {
    try {
      this.#database.prepare(`INSERT INTO ${NOTED} ${FOUND}`).run(table)
      return true
    } catch (error) {
      if (!/foreign key mismatch/.test(messageOf(error))) throw error
      return false
    }
  }

  /** What is broken now and was not before. */
  broken (created: string[]): Violation[] {
    const compare = this.#database.prepare(`
      SELECT now."table", now.parent, sum(now.times - coalesce(before.times, 0)) AS rows
      FROM (${FOUND}) AS now LEFT JOIN ${NOTED} AS before ON before."table" = now."table" AND before."row" IS now."row" AND before.parent = now.parent AND before.fkid = now.fkid
      WHERE now.times > coalesce(before.times, 0) GROUP BY 1, 2`)
    return [...this.#tables, ...created].flatMap(table => compare.all(table) as Violation[])
  }
}

function concerned (database: Database.Database, changed: string[]): string[] {
  return database.prepare(`
    WITH changed AS (SELECT lower(value) AS name FROM json_each(?))
    SELECT list.name FROM pragma_table_list AS list
    WHERE list.schema = 'main' AND list.type = 'table' AND (
      lower(list.name) IN changed OR
      EXISTS (SELECT 1 FROM pragma_foreign_key_list(list.name, 'main') AS keys WHERE lower(keys."table") IN changed)) ORDER BY 1`).pluck().all(JSON.stringify(changed)) as string[]
}
