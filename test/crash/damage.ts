import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Spoils what a file says of itself first. */
export function damageHeader (path: string): void {
  const bytes = readFileSync(path)
  bytes.fill('x', 0, 16)
  writeFileSync(path, bytes)
}

/** Gives a catalog the schema that it had a few migrations ago. */
export function makeCatalogOld (backups: string, migrations = 3): void {
  const [path, old] = [join(backups, 'catalog.db'), join(backups, 'old.db')]
  const folder = mkdtempSync(join(backups, 'drizzle-'))
  cpSync('drizzle', folder, { recursive: true })
  const journal = join(folder, 'meta', '_journal.json')
  const { entries, ...rest } = JSON.parse(readFileSync(journal, 'utf8')) as { entries: unknown[] }
  writeFileSync(journal, JSON.stringify({ ...rest, entries: entries.slice(0, migrations) }))
  const database = new Database(old)
  migrate(drizzle(database), { migrationsFolder: folder })
  database.prepare('ATTACH ? AS recent').run(path)
  const tablesOf = (schema: string): string[] => database.prepare(`SELECT name FROM ${schema}.sqlite_schema WHERE type = 'table' AND name NOT GLOB '*_*'`).pluck().all() as string[]
  const columnsOf = (schema: string, table: string): string[] => database.prepare('SELECT name FROM pragma_table_info(?, ?)').pluck().all(table, schema) as string[]
  for (const table of tablesOf('main').filter(name => tablesOf('recent').includes(name))) {
    const known = columnsOf('recent', table)
    const columns = columnsOf('main', table).filter(name => known.includes(name)).map(name => `"${name}"`).join()
    database.exec(`DELETE FROM main."${table}"; INSERT INTO main."${table}" (${columns}) SELECT ${columns} FROM recent."${table}"`)
  }
  database.exec('DETACH recent')
  database.pragma('journal_mode = WAL')
  database.close()
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
  renameSync(old, path)
  rmSync(folder, { recursive: true })
}
