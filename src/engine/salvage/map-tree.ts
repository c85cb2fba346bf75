import { messageOf } from '../../errors.ts'
import type { PageFile } from './page-file.ts'
import { Unreadable } from './record.ts'
import { parsePage, readChild, readDivider, readRowid, type TreePage } from './tree-page.ts'

/** Rowids after `after`, which may be none, up to `upTo`. Null is no end; an index has no rowids. */
export interface Bounds { after: bigint | null, upTo: bigint | null }

export const isWithin = ({ after, upTo }: Bounds, rowid: bigint): boolean => (after === null || rowid > after) && (upTo === null || rowid <= upTo)

/** A page that cannot be read as what it should be, and with it all that is below it. */
export interface Damage extends Bounds { page: number, reason: string }

/** Where the rows of a table or index are. */
export interface TreeMap {
  pages: Array<Bounds & { page: number }>
  damage: Damage[]
}

/**
 * Finds the pages of a tree, around those that are damaged. Every page is looked at once at most: what is in use already is
 * no part of it.
 * @param roots first pages of all trees, none of which can be within another
 */
export function mapTree (file: PageFile, root: number, isTable: boolean, roots: Set<number>): TreeMap {
  const map: TreeMap = { pages: [], damage: [] }
  const waiting: Array<Bounds & { page: number }> = [{ page: root, after: null, upTo: null }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    try {
      if (next.page !== root && roots.has(next.page)) throw new Unreadable('it is the first page of something else')
      const page = readTreePage(file, next.page, isTable)
      const children = page.isLeaf ? [] : childrenOf(page, file.usable, next)
      if (page.isLeaf && isTable) requireRowids(page, file.usable, next)
      file.claim(next.page)
      waiting.push(...children.reverse())
      if (page.isLeaf || !isTable) map.pages.push(next)
    } catch (error) {
      map.damage.push({ ...next, reason: messageOf(error) })
    }
  }
  return map
}

function readTreePage (file: PageFile, number: number, isTable: boolean): TreePage {
  if (number > file.pageCount) throw new Unreadable('the file ends before it')
  if (!file.isFree(number)) throw new Unreadable('it is in use for something else')
  const page = parsePage(file.read(number), number, file.usable)
  if (page === null || page.isTable !== isTable) throw new Unreadable(`it is no page of ${isTable ? 'a table' : 'an index'}`)
  return page
}

/** A page of dividers is believed as a whole, or not at all: whatever it leads to will be found without it. */
function childrenOf (page: TreePage, usable: number, bounds: Bounds): Array<Bounds & { page: number }> {
  if (page.badCells > 0) throw new Unreadable('its list of children is damaged')
  if (!page.isTable) return [...page.cells.map(cell => readChild(page, cell, usable)), page.rightChild].map(child => ({ page: child, after: null, upTo: null }))
  let { after } = bounds
  const children = page.cells.map(cell => {
    const { child, rowid } = readDivider(page, cell, usable)
    if (!isWithin({ after, upTo: bounds.upTo }, rowid)) throw new Unreadable('its children are not in order')
    const part = { page: child, after, upTo: rowid }
    after = rowid
    return part
  })
  return [...children, { page: page.rightChild, after, upTo: bounds.upTo }]
}

/** A page whose rows belong elsewhere is in the wrong place. */
function requireRowids (page: TreePage, usable: number, bounds: Bounds): void {
  const rowids = rowidsOf(page, usable)
  const within = rowids.filter(rowid => isWithin(bounds, rowid)).length
  if (rowids.length > within * 2) throw new Unreadable('its rows belong elsewhere')
}

/** Those rowids of a leaf that can be read. */
export function rowidsOf (page: TreePage, usable: number): bigint[] {
  return page.cells.flatMap(cell => {
    try {
      return [readRowid(page, cell, usable)]
    } catch {
      return []
    }
  })
}
