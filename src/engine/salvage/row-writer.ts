import { isUtf8 } from 'node:buffer'
import type Database from 'better-sqlite3'
import { messageOf } from '../../errors.ts'
import { quoted } from '../tables/schema.ts'
import type { Encoding } from './read-schema.ts'
import { RawText, type Value } from './record.ts'
import type { TableShape } from './shapes.ts'
import type { Row } from './tree-page.ts'

/** How rows of one length go into a table. */
interface Plan {
  table: string
  columns: string[]
  /** Which value of the record goes into each column; -1 is the rowid. */
  sources: number[]
  /** By their placeholders. */
  statements: Map<string, Database.Statement>
}

const ROWID = -1

/** SQLite makes tables of 2000; what seems to have more is hardly a row. */
const MOST_COLUMNS = 1900

/** Writes rows as they were stored into the tables of a new database, and into one table what has no place in them. */
export class RowWriter {
  /** The table for what has no place, once there is one. */
  lostAndFound: string | null = null
  lostRows = 0
  readonly #database: Database.Database
  readonly #encoding: Encoding
  readonly #taken: Set<string>
  /** By table and number of values. */
  readonly #plans = new Map<string, Plan>()
  #lostColumns = 0

  /** @param taken names of the schema */
  constructor (database: Database.Database, encoding: Encoding, taken: string[]) {
    this.#database = database
    this.#encoding = encoding
    this.#taken = new Set(taken.map(name => name.toLowerCase()))
  }

  /** @returns why the row could not be written to its table; null where it could */
  write (shape: TableShape, { rowid, values }: Row): string | null {
    try {
      this.#insert(this.#planFor(shape, values.length), rowid, values)
      return null
    } catch (error) {
      return messageOf(error)
    }
  }

  #planFor ({ name, stored, rowidName }: TableShape, length: number): Plan {
    const key = `${length} ${name}`
    let plan = this.#plans.get(key)
    if (plan === undefined) {
      const written = stored.slice(0, length).map(({ name, isGenerated, isRowid }, index) => ({ name: quoted(name), source: isRowid ? ROWID : index, isGenerated })).filter(({ isGenerated }) => !isGenerated)
      const columns = rowidName === null ? written : [{ name: rowidName, source: ROWID }, ...written]
      this.#plans.set(key, plan = { table: name, columns: columns.map(({ name }) => name), sources: columns.map(({ source }) => source), statements: new Map() })
    }
    return plan
  }

  /** Keeps a row that has no place in its table, or whose table is not known. */
  keep (table: string | null, page: number, reason: string, { rowid, values }: Row): void {
    const kept = values.slice(0, MOST_COLUMNS)
    this.#widen(kept.length)
    const columns = ['"table"', 'page', 'reason', 'id', ...kept.map((_, index) => `c${index}`)]
    const plan: Plan = { table: String(this.lostAndFound), columns, sources: columns.map((_, index) => index), statements: new Map() }
    this.#insert(plan, null, [table === null ? null : this.#text(table), BigInt(page), this.#text(reason), rowid, ...kept])
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

  #insert ({ table, columns, sources, statements }: Plan, rowid: bigint | null, values: Value[]): void {
    const bound = sources.map(source => source === ROWID ? rowid : this.#readable(values[source] as Value))
    const places = bound.map(value => value instanceof RawText ? 'CAST(? AS TEXT)' : '?').join(', ')
    let statement = statements.get(places)
    if (statement === undefined) statements.set(places, statement = this.#database.prepare(`INSERT INTO ${quoted(table)} (${columns.join(', ')}) VALUES (${places})`))
    statement.run(bound.map(value => value instanceof RawText ? value.bytes : value))
  }

  /** Text that is not what its encoding allows is kept byte for byte, as is all in UTF-16, which JavaScript might change. */
  #readable (value: Value): Value | string {
    return value instanceof RawText && this.#encoding === 'UTF-8' && isUtf8(value.bytes) ? value.bytes.toString('utf8') : value
  }
}
