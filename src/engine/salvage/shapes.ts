import Database from 'better-sqlite3'
import { execute } from './execute.ts'
import { hiddenRowidOf, keyIndexOf, rowidColumnOf, tablesOf } from '../tables/schema.ts'
import type { Column, Table } from '../tables/reports.ts'
import type { Encoding, SchemaRow } from './read-schema.ts'
import { RawText, type Value } from './record.ts'

interface StoredColumn {
  name: string
  isNotNull: boolean
  /** Computed, so it cannot be written. */
  isGenerated: boolean
  /** The rowid, which a record does not repeat. */
  isRowid: boolean
  /** It turns numbers into text. */
  isText: boolean
}

/** What the records of a table look like. */
export interface TableShape {
  name: string
  isWithoutRowid: boolean
  /** In the order in which records have them. */
  stored: StoredColumn[]
  /** A name to write the rowid by; null where it is a column, or cannot be written. */
  rowidName: string | null
}

export interface Shapes {
  tables: Map<string, TableShape>
  /** Number of values in the entries of each index. */
  indexes: Map<string, number>
}

export const isVirtual = ({ sql }: SchemaRow): boolean => /^CREATE\s+VIRTUAL\b/i.test(sql ?? '')
export const isInternal = ({ name }: Pick<SchemaRow, 'name'>): boolean => /^sqlite_/i.test(name)

/** Makes the tables and indexes of a schema in an empty database, and asks SQLite what they are. */
export function shapesOf (rows: SchemaRow[], encoding: Encoding): Shapes {
  const database = new Database(':memory:')
  database.pragma(`encoding = '${encoding}'`)
  const shapes: Shapes = { tables: new Map(), indexes: new Map() }
  try {
    for (const type of ['table', 'index']) {
      for (const row of rows.filter(row => row.type === type && row.sql !== null && !isVirtual(row) && !isInternal(row))) {
        execute(database, row, new Set())
      }
    }
    for (const table of tablesOf(database, 'main')) shapes.tables.set(table.name, shapeOf(database, table))
    const names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'index'").pluck().all() as string[]
    const columns = database.prepare('SELECT count(*) FROM pragma_index_xinfo(?)').pluck()
    for (const name of names) shapes.indexes.set(name, columns.get(name) as number)
    return shapes
  } finally {
    database.close()
  }
}

function shapeOf (database: Database.Database, table: Table): TableShape {
  const { name, columns, isWithoutRowid } = table
  const rowid = rowidColumnOf(database, 'main', table)
  const order = isWithoutRowid ? database.prepare('SELECT name FROM pragma_index_xinfo(?) ORDER BY seqno').pluck().all(keyIndexOf(database, 'main', name)) as string[] : columns.map(({ name }) => name)
  const stored = order.map(name => columns.find(column => column.name === name) as Column).filter(({ generated }) => generated !== 'virtual')
  return {
    name,
    isWithoutRowid,
    stored: stored.map(({ name, type, isNotNull, generated }) => ({ name, isNotNull, isGenerated: generated !== null, isRowid: name === rowid, isText: /CHAR|CLOB|TEXT/i.test(type) && !/INT/i.test(type) })),
    rowidName: hiddenRowidOf(database, 'main', table)
  }
}

/** Whether a record can be of a table; columns that were added later are not in older rows. */
export function fits ({ stored }: TableShape, values: Value[]): boolean {
  return values.length <= stored.length && values.every((value, index) => {
    const { isRowid, isNotNull, isText } = stored[index] as StoredColumn
    if (isRowid) return value === null
    return value === null ? !isNotNull : !isText || value instanceof RawText || Buffer.isBuffer(value)
  })
}
