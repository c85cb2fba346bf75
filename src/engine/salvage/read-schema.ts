import { mapTree, type Damage } from './map-tree.ts'
import type { PageFile } from './page-file.ts'
import { RawText, type Value } from './record.ts'
import { parsePage, readRows } from './tree-page.ts'

export type Encoding = 'UTF-8' | 'UTF-16le' | 'UTF-16be'

/** A row of sqlite_schema. */
export interface SchemaRow { type: string, name: string, table: string, root: number, sql: string | null }

export interface SalvagedSchema {
  rows: SchemaRow[]
  /** As the schema itself is written; null where nothing of it is left. */
  encoding: Encoding | null
  damage: Damage[]
  /** Rows on pages that could be read otherwise. */
  badRows: number
}

const TYPES = ['table', 'index', 'view', 'trigger']
const ENCODINGS = ['UTF-8', 'UTF-16le', 'UTF-16be'] as const

export function decodeText (bytes: Buffer, encoding: Encoding): string {
  if (encoding === 'UTF-8') return bytes.toString('utf8')
  const even = bytes.subarray(0, bytes.length & ~1)
  return (encoding === 'UTF-16le' ? even : Buffer.from(even).swap16()).toString('utf16le')
}

/** Reads the schema; where a part of its tree is damaged, the rest is looked for on all pages. */
export function readSchema (file: PageFile): SalvagedSchema {
  const schema: SalvagedSchema = { rows: [], encoding: null, damage: [], badRows: 0 }
  const { pages, damage } = mapTree(file, 1, true, new Set())
  schema.damage = damage
  for (const { page } of pages) addRows(schema, file, page)
  if (damage.length === 0) return schema
  for (let page = 1; page <= file.pageCount; page++) {
    if (file.isFree(page) && addRows(schema, file, page, true)) file.claim(page)
  }
  return schema
}

/** @returns whether all rows of the page are of a schema */
function addRows (schema: SalvagedSchema, file: PageFile, number: number, isGuess = false): boolean {
  const page = parsePage(file.read(number), number, file.usable)
  if (page === null || !page.isTable || !page.isLeaf) return false
  const { rows, badCells } = readRows(file, page)
  if (isGuess && (rows.length === 0 || rows.some(({ values }) => asSchemaRow(values) === null))) return false
  schema.badRows += badCells
  for (const { values, overflow } of rows) {
    const row = asSchemaRow(values)
    if (row === null) schema.badRows++
    else if (!schema.rows.some(other => other.type === row.type && other.name === row.name)) {
      schema.encoding ??= row.encoding
      schema.rows.push(row)
      for (const page of overflow) file.claim(page)
    }
  }
  return true
}

function asSchemaRow ([type, name, table, root, sql, ...rest]: Value[]): SchemaRow & { encoding: Encoding } | null {
  if (!(type instanceof RawText && name instanceof RawText && table instanceof RawText) || rest.length > 0) return null
  if (sql === undefined || !(sql === null || sql instanceof RawText) || !(root === null || typeof root === 'bigint')) return null
  const encoding = ENCODINGS.find(encoding => TYPES.includes(decodeText(type.bytes, encoding)))
  if (encoding === undefined) return null
  const text = (value: RawText): string => decodeText(value.bytes, encoding)
  return { type: text(type), name: text(name), table: text(table), root: Number(root ?? 0), sql: sql === null ? null : text(sql), encoding }
}
