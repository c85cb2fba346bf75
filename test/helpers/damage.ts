import Database from 'better-sqlite3'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Turns one bit of a file around, at a place given as a part of its length. */
export function flipBit (file: string, where: number): void {
  const bytes = readFileSync(file)
  const at = Math.min(Math.floor(bytes.length * where), bytes.length - 1)
  bytes[at] = (bytes[at] as number) ^ 0x10
  writeFileSync(file, bytes)
}

/** Overwrites the second half of a database with noise, but for its first pages. */
export function damageDatabase (path: string): void {
  const bytes = readFileSync(path)
  for (let at = Math.max(bytes.length >> 1, 8192); at < bytes.length; at++) bytes[at] = at * 31 % 251
  writeFileSync(path, bytes)
}

/** All files below a folder, but for the catalog, caches and locks: what is stored and what is left over. */
export function filesIn (folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && !/^catalog\.db|\.lock$|^\.database$|^\.source$/.test(entry.name) && !/\.(databases|cache)$/.test(entry.parentPath))
    .map(entry => join(entry.parentPath, entry.name)).sort()
}

/** Changes the rows of a database's schema, past SQLite, and closes it. */
export function changeSchema (database: Database.Database, sql: string): void {
  database.unsafeMode()
  database.pragma('writable_schema = ON')
  database.exec(sql)
  database.close()
}

/** Makes an index contradict its table, which only a full check sees. */
export function breakIndex (path: string, index: string, table: string): void {
  const database = new Database(path)
  database.unsafeMode()
  database.pragma('writable_schema = ON')
  database.function('twice', { deterministic: true }, value => Number(value) * 2)
  const sql = database.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').pluck().get(index)
  const rootpage = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(index)
  database.prepare('DELETE FROM sqlite_schema WHERE name = ?').run(index)
  database.pragma('writable_schema = RESET')
  database.prepare(`UPDATE ${table} SET text = 'not in the index' WHERE rowid = 7`).run()
  database.pragma('writable_schema = ON')
  database.prepare("INSERT INTO sqlite_schema VALUES ('index', ?, ?, ?, ?)").run(index, table, rootpage, sql)
  database.pragma('writable_schema = RESET')
  database.close()
}
