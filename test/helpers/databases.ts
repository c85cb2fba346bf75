import Database from 'better-sqlite3'
import { createHash, randomBytes } from 'node:crypto'

export type JournalMode = 'wal' | 'delete' | 'truncate' | 'persist'

export interface DatabaseOptions {
  pageSize?: number
  journalMode?: JournalMode
  encoding?: 'UTF-8' | 'UTF-16le' | 'UTF-16be'
  autoVacuum?: 'none' | 'full' | 'incremental'
  rows?: number
}

/** Makes a database with a table `items` of some rows and returns a connection to it, as an application has. */
export function makeDatabase (path: string, { pageSize = 4096, journalMode = 'wal', encoding = 'UTF-8', autoVacuum = 'none', rows = 100 }: DatabaseOptions = {}): Database.Database {
  const database = new Database(path)
  database.pragma(`page_size = ${pageSize}`)
  database.pragma(`encoding = '${encoding}'`)
  database.pragma(`auto_vacuum = ${autoVacuum}`)
  database.pragma(`journal_mode = ${journalMode}`)
  database.exec('CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT, data BLOB); CREATE INDEX items_text ON items (text)')
  addRows(database, rows)
  return database
}

export function addRows (database: Database.Database, rows: number): void {
  const insert = database.prepare('INSERT INTO items (text, data) VALUES (?, ?)')
  database.transaction(() => {
    for (let row = 0; row < rows; row++) insert.run(`text ${row} äöü ${'x'.repeat(row % 50)}`, Buffer.alloc(row % 300, row))
  })()
}

/** Makes a database of about so many bytes, of data that compresses very well but for a share of noise. */
export function makeLargeDatabase (path: string, bytes: number, { noise = 0, ...options }: DatabaseOptions & { noise?: number } = {}): void {
  const database = makeDatabase(path, { ...options, rows: 0 })
  database.pragma('synchronous = OFF')
  const insert = database.prepare('INSERT INTO items (text, data) VALUES (?, ?)')
  const rowBytes = 8192
  const noiseBytes = Math.round(noise * (rowBytes - 64))
  database.transaction(() => {
    for (let row = 0; row * rowBytes < bytes; row++) {
      insert.run(`row ${row}`, Buffer.concat([createHash('sha512').update(String(row)).digest(), randomBytes(noiseBytes), Buffer.alloc(rowBytes - 64 - noiseBytes, row)]))
    }
  })()
  database.close()
}

/** A digest of everything in a database that can be asked for: every table's rows, the schema, the user version. */
export function contentOf (path: string): Record<string, string> {
  const database = new Database(path, { fileMustExist: true })
  try {
    const content: Record<string, string> = { userVersion: String(database.pragma('user_version', { simple: true })) }
    const schema = database.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').raw().all() as string[][]
    content.schema = JSON.stringify(schema)
    for (const [, name] of schema.filter(([type]) => type === 'table')) {
      const hash = createHash('sha256')
      for (const row of database.prepare(`SELECT * FROM "${name}"`).raw().iterate()) hash.update(JSON.stringify(row, (_key, value) => typeof value === 'bigint' ? String(value) : value))
      content[`table ${name}`] = hash.digest('hex')
    }
    return content
  } finally {
    database.close()
  }
}

/** What SQLite's own integrity check says. */
export function integrityOf (path: string): string {
  const database = new Database(path, { fileMustExist: true })
  try {
    return String(database.pragma('integrity_check', { simple: true }))
  } finally {
    database.close()
  }
}

export function journalModeOf (path: string): string {
  const database = new Database(path, { fileMustExist: true })
  try {
    return String(database.pragma('journal_mode', { simple: true }))
  } finally {
    database.close()
  }
}
