import Database from 'better-sqlite3'
import { messageOf } from '../errors.ts'

export interface MendCatalogInput { path: string }

/** What was wrong with the catalog, and what still is. */
export interface MendedCatalog { found: string[], left: string[] }

/**
 * Holds every index of the catalog against its table, and makes them anew where one is wrong: the host does not wait for that. It may
 * as well be the table that was wrong, so what the catalog knew of packs is forgotten: then no pack is removed before the
 * manifests are asked.
 */
export async function mendCatalog ({ path }: MendCatalogInput): Promise<MendedCatalog> {
  const database = new Database(path, { fileMustExist: true })
  try {
    return mended(database)
  } finally {
    database.close()
  }
}

function mended (database: Database.Database): MendedCatalog {
  try {
    const found = problemsOf(database)
    if (found.length > 0) database.exec('DELETE FROM snapshotPacks; REINDEX')
    return { found, left: found.length > 0 ? problemsOf(database) : [] }
  } catch (error) {
    return { found: [messageOf(error)], left: [messageOf(error)] }
  }
}

const problemsOf = (database: Database.Database): string[] => (database.prepare('SELECT integrity_check FROM pragma_integrity_check').pluck().all() as string[]).filter(message => message !== 'ok')
