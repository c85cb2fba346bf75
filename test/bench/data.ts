import Database from 'better-sqlite3'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readSync, statSync } from 'node:fs'

const ROWS_AT_ONCE = 10_000
const BLOCK_BYTES = 1024 * 1024

/**
 * Makes a database: text and noise, so it compresses to somewhat less than a half, as databases of applications do.
 * @returns how many rows it has
 */
export function makeData (path: string, bytes: number): number {
  const database = new Database(path)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = OFF')
  database.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, text TEXT, token BLOB); CREATE TABLE ticks (id INTEGER PRIMARY KEY, text TEXT)')
  const insert = database.prepare('INSERT INTO events (text, token) VALUES (?, ?)')
  let rows = 0
  while (statSync(path).size < bytes) {
    database.transaction(() => {
      for (const end = rows + ROWS_AT_ONCE; rows < end; rows++) insert.run(`user ${rows} has written something about ${rows * 7919 % 1000} things and more of that kind of text`, randomBytes(60))
    })()
    database.pragma('wal_checkpoint(TRUNCATE)')
  }
  database.close()
  return rows
}

/** Changes about this share of the pages, each by one row, and moves the changes into the file. */
export function changePages (path: string, share: number, rows: number): void {
  const database = new Database(path)
  const pages = database.pragma('page_count', { simple: true }) as number
  const update = database.prepare('UPDATE events SET token = randomblob(60) WHERE id = ?')
  database.transaction(() => {
    for (let change = 0; change < pages * share; change++) update.run(Math.ceil(Math.random() * rows))
  })()
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.close()
}

/** The pages of a database file that are not the same in an earlier copy of it. */
export function changedPages (before: string, after: string, pageSize = 4096): Buffer[] {
  const [old, current] = [before, after].map(path => openSync(path, 'r')) as [number, number]
  const [a, b] = [Buffer.alloc(BLOCK_BYTES), Buffer.alloc(BLOCK_BYTES)]
  const changed: Buffer[] = []
  for (let position = 0, length = BLOCK_BYTES; length === BLOCK_BYTES; position += length) {
    readSync(old, a, 0, BLOCK_BYTES, position)
    length = readSync(current, b, 0, BLOCK_BYTES, position)
    for (let page = 0; page < length; page += pageSize) {
      if (a.compare(b, page, page + pageSize, page, page + pageSize) !== 0) changed.push(Buffer.from(b.subarray(page, page + pageSize)))
    }
  }
  closeSync(old)
  closeSync(current)
  return changed
}

/** Throws unless a file is an undamaged database with all the rows. */
export function requireSound (file: string, rows: number): void {
  const database = new Database(file, { fileMustExist: true })
  try {
    const verdict = database.pragma('integrity_check', { simple: true })
    const found = database.prepare('SELECT count(*) FROM events').pluck().get()
    if (verdict !== 'ok' || found !== rows) throw new Error(`${file} is not the database: ${String(verdict)}, ${String(found)} rows of ${rows}`)
  } finally {
    database.close()
  }
}
