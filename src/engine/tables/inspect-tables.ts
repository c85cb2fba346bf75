import Database from 'better-sqlite3'
import { messageOf } from '../../errors.ts'
import { explained } from '../target-database.ts'
import { countRows, objectsOf, tablesOf } from './schema.ts'
import type { DatabaseContents, SchemaObject, Table } from './reports.ts'

export interface InspectTablesInput {
  /** A plain database file that nothing else uses. */
  file: string
}

/** Lists what is in a database; the number of rows is null where only the application can read the table: it has the virtual table's module, or the collation of a key. */
export async function inspectTables ({ file }: InspectTablesInput): Promise<DatabaseContents> {
  return explained({ path: file, lockTimeoutMs: 0 }, () => {
    const database = new Database(file, { fileMustExist: true })
    try {
      const objects = objectsOf(database, 'main')
      const ofType = (type: SchemaObject['type']): SchemaObject[] => objects.filter(object => object.type === type)
      const tables = tablesOf(database, 'main').map(table => ({ ...table, rows: rowsOf(database, table) }))
      return { tables, indexes: ofType('index'), triggers: ofType('trigger'), views: ofType('view') }
    } finally {
      database.close()
    }
  })
}

function rowsOf (database: Database.Database, { name }: Table): number | null {
  try {
    return countRows(database, 'main', name)
  } catch (error) {
    if (/no such (module|collation)/.test(messageOf(error))) return null
    throw error
  }
}
