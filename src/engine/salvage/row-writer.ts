import { isUtf8 } from 'node:buffer'
import type Database from 'better-sqlite3'
import { messageOf } from '../../errors.ts'
import { quoted } from '../tables/schema.ts'
import type { Encoding } from './read-schema.ts'
import { RawText, type Value } from './record.ts'
import type { TableShape } from './shapes.ts'
import type { Row } from './tree-page.ts'

type Bound = null | bigint | number | string | Buffer

/** Writes rows as they were stored into the tables of a new database, and into one table what has no place in them. */
export class RowWriter {
  /** The table for what has no place, once there is one. */
  lostAndFound: string | null = null
  lostRows = 0
  readonly #database: Database.Database
  readonly #encoding: Encoding
  readonly #taken: Set<string>
  readonly #statements = new Map<string, Database.Statement>()
  #lostColumns = 0

  /** @param taken names of the schema */
  constructor (database: Database.Database, encoding: Encoding, taken: string[]) {
    this.#database = database
    this.#encoding = encoding
    this.#taken = new Set(taken.map(name => name.toLowerCase()))
  }

  /** @returns why the row could not be written to its table; null where it could */
  write (shape: TableShape, { rowid, values }: Row): string | null {
    const { name, stored, rowidName } = shape
    const columns = rowidName === null ? [] : [rowidName]
    const bound: Value[] = rowidName === null ? [] : [rowid]
    values.forEach((value, index) => {
      const column = stored[index]
      if (column === undefined || column.isGenerated) return
      columns.push(quoted(column.name))
      bound.push(column.isRowid ? rowid : value)
    })
    try {
      this.#insert(name, columns, bound)
      return null
    } catch (error) {
      return messageOf(error)
    }
  }

  /** Keeps a row that has no place in its table, or whose table is not known. */
  keep (table: string | null, page: number, reason: string, { rowid, values }: Row): void {
    this.#widen(values.length)
    this.#insert(String(this.lostAndFound), ['"table"', 'page', 'reason', 'id', ...values.map((_, index) => `c${index}`)], [table === null ? null : this.#text(table), BigInt(page), this.#text(reason), rowid, ...values])
    this.lostRows++
  }

  #text (text: string): RawText {
    return new RawText(this.#encoding === 'UTF-16be' ? Buffer.from(text, 'utf16le').swap16() : Buffer.from(text, this.#encoding === 'UTF-8' ? 'utf8' : 'utf16le'))
  }

  #widen (columns: number): void {
    if (this.lostAndFound === null) {
      let name = 'lost_and_found'
      for (let number = 2; this.#taken.has(name); number++) name = `lost_and_found_${number}`
      this.lostAndFound = name
      this.#database.exec(`CREATE TABLE ${name} ("table" TEXT, page INTEGER, reason TEXT, id INTEGER)`)
    }
    for (; this.#lostColumns < columns; this.#lostColumns++) this.#database.exec(`ALTER TABLE ${this.lostAndFound} ADD COLUMN c${this.#lostColumns}`)
  }

  /** Text that is not what its encoding allows is kept byte for byte, as is all in UTF-16, which JavaScript might change. */
  #insert (table: string, columns: string[], values: Value[]): void {
    const bound = values.map(value => value instanceof RawText ? this.#bound(value) : { value, isText: false })
    const places = bound.map(({ isText }) => isText ? 'CAST(? AS TEXT)' : '?').join(', ')
    const sql = `INSERT INTO ${quoted(table)} (${columns.join(', ')}) VALUES (${places})`
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, statement = this.#database.prepare(sql))
    statement.run(bound.map(({ value }) => value))
  }

  #bound ({ bytes }: RawText): { value: Bound, isText: boolean } {
    return this.#encoding === 'UTF-8' && isUtf8(bytes) ? { value: bytes.toString('utf8'), isText: false } : { value: bytes, isText: true }
  }
}
