import { isWithin, mapTree, rowidsOf, type Bounds, type Damage, type TreeMap } from './map-tree.ts'
import type { PageFile } from './page-file.ts'
import { decodeText, type Encoding, type SchemaRow } from './read-schema.ts'
import { RawText } from './record.ts'
import type { RowWriter } from './row-writer.ts'
import { fits, isVirtual, type Shapes, type TableShape } from './shapes.ts'
import { parsePage, readRows, type Row, type TreePage } from './tree-page.ts'

/** A table or index of the damaged file. */
interface Tree {
  row: SchemaRow
  isTable: boolean
  /** What its records look like; null where that is not known, and for indexes. */
  shape: TableShape | null
  /** Number of values in an index's entries. */
  fields: number | null
  map: TreeMap
  tally: Tally
}

/** What became of a table's rows. */
export interface Tally {
  /** Written to the table. */
  rows: number
  /** Of these, found on pages that nothing led to, and put here because they fit here only. */
  strayRows: number
  /** Read, but refused by a constraint; they are in the table for lost rows. */
  refusedRows: number
  /** Why, each once. */
  refusals: string[]
  /** On pages that could be read otherwise. */
  unreadableRows: number
  damage: Damage[]
}

export interface SalvagedRows { tables: Map<string, Tally>, sequences: Array<{ name: string, seq: bigint }>, isComplete: boolean }

const REFUSALS_KEPT = 10

/**
 * Writes all rows that can be read: first those that the trees lead to, then those on pages that nothing leads to any more.
 * Such a page is a table's if that has damage where the page's rows would be, and if they could be rows of no other.
 * @param isLate whether to end, with what has been read by then
 */
export class RowSalvage {
  readonly #file: PageFile
  readonly #writer: RowWriter
  readonly #encoding: Encoding
  readonly #isLate: () => boolean
  /** Pages in a tree whose rows cannot be its own. */
  readonly #strays: number[] = []
  readonly #sequences: SalvagedRows['sequences'] = []

  constructor (file: PageFile, writer: RowWriter, encoding: Encoding, isLate: () => boolean) {
    this.#file = file
    this.#writer = writer
    this.#encoding = encoding
    this.#isLate = isLate
  }

  /** @param isSchemaWhole whether every table and index is in the schema, so what fits none of them is of no worth */
  run (rows: SchemaRow[], shapes: Shapes, unused: Set<number>, isSchemaWhole: boolean): SalvagedRows {
    const trees = this.#mapTrees(rows, shapes)
    for (const tree of trees) {
      if (tree.row.type === 'table') this.#readTree(tree)
    }
    for (const page of this.#strays) this.#placeStray(page, trees, isSchemaWhole)
    for (let page = 1; page <= this.#file.pageCount && !this.#isLate(); page++) {
      if (this.#file.isFree(page) && !unused.has(page)) this.#placeStray(page, trees, isSchemaWhole)
    }
    const tables = new Map(trees.filter(({ row }) => row.type === 'table').map(({ row, tally }) => [row.name, tally]))
    return { tables, sequences: this.#sequences, isComplete: !this.#isLate() }
  }

  /** All trees first: a page that is in one of them is not what a row of another continues on. */
  #mapTrees (rows: SchemaRow[], shapes: Shapes): Tree[] {
    const stored = rows.filter(row => ['table', 'index'].includes(row.type) && row.root > 0 && !isVirtual(row))
    const roots = new Set(stored.map(({ root }) => root))
    return stored.map(row => {
      const shape = shapes.tables.get(row.name) ?? null
      const isTable = row.type === 'table' && !(shape?.isWithoutRowid ?? /\bWITHOUT\s+ROWID\b/i.test(row.sql ?? ''))
      const map = mapTree(this.#file, row.root, isTable, roots)
      return { row, isTable, shape, fields: shapes.indexes.get(row.name) ?? null, map, tally: { rows: 0, strayRows: 0, refusedRows: 0, refusals: [], unreadableRows: 0, damage: map.damage } }
    })
  }

  #readTree (tree: Tree): void {
    for (const { page, ...bounds } of tree.map.pages) {
      if (this.#isLate()) return
      const { rows, badCells } = readRows(this.#file, parsePage(this.#file.read(page), page, this.#file.usable) as TreePage)
      const { shape, tally } = tree
      if (shape !== null && rows.length > 0 && !rows.some(({ values }) => fits(shape, values))) {
        tally.damage.push({ page, ...bounds, reason: 'its rows are those of another table' })
        this.#strays.push(page)
        continue
      }
      const own = rows.filter(({ rowid }) => rowid === null || isWithin(bounds, rowid))
      tally.unreadableRows += badCells + rows.length - own.length
      this.#write(tree, page, own)
    }
  }

  #write ({ row: { name }, shape, tally }: Tree, page: number, rows: Row[]): number {
    const before = tally.rows
    for (const row of rows) {
      for (const overflow of row.overflow) this.#file.claim(overflow)
      if (name === 'sqlite_sequence') this.#noteSequence(row)
      else if (!name.startsWith('sqlite_')) this.#writeRow(name, shape, tally, page, row)
    }
    return tally.rows - before
  }

  #writeRow (name: string, shape: TableShape | null, tally: Tally, page: number, row: Row): void {
    const refusal = shape === null ? 'its table could not be made' : this.#writer.write(shape, row)
    if (refusal === null) {
      tally.rows++
      return
    }
    tally.refusedRows++
    if (tally.refusals.length < REFUSALS_KEPT && !tally.refusals.includes(refusal)) tally.refusals.push(refusal)
    this.#writer.keep(name, page, refusal, row)
  }

  #noteSequence ({ values: [name, seq] }: Row): void {
    if (name instanceof RawText && typeof seq === 'bigint') this.#sequences.push({ name: decodeText(name.bytes, this.#encoding), seq })
  }

  #placeStray (number: number, trees: Tree[], isSchemaWhole: boolean): void {
    const page = parsePage(this.#file.read(number), number, this.#file.usable)
    if (page === null || (page.isTable && !page.isLeaf)) return
    const { rows, badCells } = readRows(this.#file, page)
    if (rows.length === 0 || rows.length < badCells) return // chance, most likely
    this.#file.claim(number)
    const homes = trees.filter(tree => tree.isTable === page.isTable && this.#canHold(tree, page, rows))
    const [home, ...others] = homes
    if (home?.row.type === 'table' && others.length === 0) {
      home.tally.unreadableRows += badCells
      home.tally.strayRows += this.#write(home, number, rows)
      return
    }
    if (!page.isTable && (isSchemaWhole || homes.length > 0) && !homes.some(({ row }) => row.type === 'table')) return // a part of an index, which is made anew
    for (const row of rows) {
      for (const overflow of row.overflow) this.#file.claim(overflow)
      this.#writer.keep(null, number, 'no one table it must belong to', row)
    }
  }

  #canHold ({ shape, fields, map }: Tree, page: TreePage, rows: Row[]): boolean {
    const isMissing = map.damage.some((bounds: Bounds) => rowidsOf(page, this.#file.usable).every(rowid => !page.isTable || isWithin(bounds, rowid)))
    return isMissing && rows.every(({ values }) => shape === null ? values.length === fields : fits(shape, values))
  }
}
