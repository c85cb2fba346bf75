import Database from 'better-sqlite3'
import { join } from 'node:path'

/** Takes a table out of the catalog of a folder, as damage to its schema does. */
export function loseTable (folder: string, table: string): void {
  const catalog = new Database(join(folder, 'catalog.db'))
  catalog.exec(`DROP TABLE ${table}`)
  catalog.close()
}
