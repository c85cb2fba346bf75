import type { PageFile } from './page-file.ts'
import { Cursor, decodeRecord, Unreadable, type Value } from './record.ts'

/** The first byte of a page of a tree (https://sqlite.org/fileformat2.html#b_tree_pages). */
const TYPES: Record<number, Pick<TreePage, 'isTable' | 'isLeaf'>> = {
  2: { isTable: false, isLeaf: false }, 5: { isTable: true, isLeaf: false }, 10: { isTable: false, isLeaf: true }, 13: { isTable: true, isLeaf: true }
}
/** The first page of a file begins with the file's header. */
const FILE_HEADER_BYTES = 100

/** A page of a tree. Those of tables have rowids as keys; those of indexes, and of tables without a rowid, have whole records. */
export interface TreePage {
  number: number
  bytes: Buffer
  isTable: boolean
  isLeaf: boolean
  /** Where its cells are; those that cannot be are left out. */
  cells: number[]
  /** How many were left out. */
  badCells: number
  /** The last child of a page that is not a leaf. */
  rightChild: number
}

/** Null where it cannot be a page of a tree. */
export function parsePage (bytes: Buffer, number: number, usable: number): TreePage | null {
  const start = number === 1 ? FILE_HEADER_BYTES : 0
  const type = TYPES[bytes.readUInt8(start)]
  if (type === undefined) return null
  const pointers = start + (type.isLeaf ? 8 : 12)
  const count = bytes.readUInt16BE(start + 3)
  const end = pointers + count * 2
  if (end > usable) return null
  const cells: number[] = []
  for (let at = pointers; at < end; at += 2) {
    const cell = bytes.readUInt16BE(at)
    if (cell >= end && cell < usable) cells.push(cell)
  }
  return { number, bytes, ...type, cells, badCells: count - cells.length, rightChild: type.isLeaf ? 0 : bytes.readUInt32BE(start + 8) }
}

/** Whether bytes look like a page of this size: the cells are where the page says that its content is. */
export function isPlausible (bytes: Buffer, number: number, usable: number): boolean {
  const page = parsePage(bytes, number, usable)
  const contentAt = bytes.readUInt16BE((number === 1 ? FILE_HEADER_BYTES : 0) + 5)
  return page !== null && page.cells.length > 0 && page.badCells === 0 && page.cells.every(cell => cell >= contentAt)
}

/** The child and the greatest rowid below it, of a cell of a page that is not a leaf. */
export function readDivider ({ bytes }: TreePage, cell: number, usable: number): { child: number, rowid: bigint } {
  const cursor = new Cursor(bytes, cell, usable)
  return { child: cursor.uint32(), rowid: cursor.rowid() }
}

export const readChild = ({ bytes }: TreePage, cell: number, usable: number): number => new Cursor(bytes, cell, usable).uint32()

/** @throws Unreadable */
export function readRowid ({ bytes }: TreePage, cell: number, usable: number): bigint {
  const cursor = new Cursor(bytes, cell, usable)
  cursor.varint()
  return cursor.rowid()
}

export interface Row {
  rowid: bigint | null
  values: Value[]
  /** Pages that it continues on. */
  overflow: number[]
}

/**
 * The row of a cell, with what of it is on overflow pages, which must be unused.
 * @throws Unreadable
 */
function readRow (file: PageFile, { number, bytes, isTable, isLeaf }: TreePage, cell: number): Row {
  const { usable } = file
  const cursor = new Cursor(bytes, cell, file.usableOf(number))
  if (!isLeaf) cursor.uint32()
  const length = cursor.varint()
  const rowid = isTable ? cursor.rowid() : null
  const most = isTable ? usable - 35 : Math.floor((usable - 12) * 64 / 255) - 23
  const least = Math.floor((usable - 12) * 32 / 255) - 23
  if (length > file.pageCount * usable) throw new Unreadable('it is longer than the file')
  if (length <= most) return { rowid, values: decodeRecord(cursor.take(length)), overflow: [] }
  const spilled = least + (length - least) % (usable - 4)
  const first = cursor.take(spilled <= most ? spilled : least)
  const { parts, pages } = readOverflow(file, cursor.uint32(), length - first.length)
  return { rowid, values: decodeRecord(Buffer.concat([first, ...parts])), overflow: [...pages] }
}

function readOverflow (file: PageFile, start: number, length: number): { parts: Buffer[], pages: Set<number> } {
  const [parts, pages] = [[] as Buffer[], new Set<number>()]
  for (let [next, rest] = [start, length]; rest > 0;) {
    if (!file.isFree(next) || pages.has(next)) throw new Unreadable(`it continues on page ${next}, which it cannot`)
    pages.add(next)
    const bytes = file.read(next)
    const part = bytes.subarray(4, Math.min(4 + rest, file.usable))
    if (4 + part.length > file.usableOf(next)) throw new Unreadable('the file ends before it does')
    parts.push(part)
    rest -= part.length
    next = bytes.readUInt32BE(0)
  }
  return { parts, pages }
}

/** The rows of a page that can be read; a page that is not a leaf has some only in an index. */
export function readRows (file: PageFile, page: TreePage): { rows: Row[], badCells: number } {
  const rows: Row[] = []
  let { badCells } = page
  for (const cell of page.cells) {
    try {
      rows.push(readRow(file, page, cell))
    } catch {
      badCells++
    }
  }
  return { rows, badCells }
}
