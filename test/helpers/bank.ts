import Database from 'better-sqlite3'
import { addRows, makeDatabase, type DatabaseOptions } from './databases.ts'

/** What the scripts in test/processes work on: two accounts whose sums cancel out, and numbered commits. */
export function makeBank (path: string, { rows = 2000, ...options }: DatabaseOptions = {}): void {
  const database = makeDatabase(path, { ...options, rows: 0 })
  database.exec(`
    CREATE TABLE left_account (id INTEGER PRIMARY KEY, amount INTEGER);
    CREATE TABLE right_account (id INTEGER PRIMARY KEY, amount INTEGER);
    CREATE TABLE commits (number INTEGER PRIMARY KEY);
    CREATE TABLE marker (id INTEGER PRIMARY KEY)`)
  for (const table of ['left_account', 'right_account']) {
    database.exec(`WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 50) INSERT INTO ${table} SELECT id, 0 FROM n`)
  }
  addRows(database, rows)
  database.close()
}

/** True if the two sums cancel out: any mixture of two moments would show here. */
export function isBalanced (path: string): boolean {
  return query(path, 'SELECT (SELECT total(amount) FROM left_account) + (SELECT total(amount) FROM right_account)') === 0
}

/** Numbers of the commits in a database. */
export function commitsIn (path: string): Set<number> {
  const database = new Database(path, { fileMustExist: true })
  try {
    return new Set(database.prepare('SELECT number FROM commits').pluck().all() as number[])
  } finally {
    database.close()
  }
}

export function query (path: string, sql: string): unknown {
  const database = new Database(path, { fileMustExist: true })
  try {
    return database.prepare(sql).pluck().get()
  } finally {
    database.close()
  }
}
