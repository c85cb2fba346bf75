import { fstatSync, writeSync } from 'node:fs'
import { HEADER_BYTES } from '../database-header.ts'
import { readFully } from '../pages/page-reader.ts'
import { PageFile } from './page-file.ts'
import { isPlausible, parsePage, readRows } from './tree-page.ts'

export interface Layout { pageSize: number, reserved: number }

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1')
const PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
/** What must be at 21: parts of a page that cells may take. */
const FRACTIONS = Buffer.from([64, 32, 32])
const LEAST_USABLE = 480
const SAMPLES = 2000
const WAL_MAGIC = 0x377f0682
const FIRST_CHANGEABLE_MODE = 1

/**
 * Makes a file's header one that SQLite accepts.
 * @param log the write-ahead log beside it, which says its page size as well; null without one
 * @returns what was repaired, in words
 */
export function repairHeader (descriptor: number, log: number | null): { layout: Layout, repaired: string[] } {
  const header = readFully(descriptor, HEADER_BYTES, 0)
  const fixed = Buffer.from(header)
  const repaired: string[] = []
  const put = (at: number, bytes: Buffer, what: string): void => {
    if (header.subarray(at, at + bytes.length).equals(bytes)) return
    bytes.copy(fixed, at)
    repaired.push(what)
  }
  const pageSize = findPageSize(descriptor, header, log)
  put(0, MAGIC, 'the file\'s first 16 bytes')
  put(16, Buffer.from([pageSize >> 8 & 0xff, pageSize === 65536 ? 1 : 0]), `the page size, which is ${pageSize}`)
  const mode = [header[18], header[19]].every(version => version === 1 || version === 2) ? header.subarray(18, 20) : Buffer.from([FIRST_CHANGEABLE_MODE, FIRST_CHANGEABLE_MODE])
  put(18, mode, 'the file format versions')
  put(20, Buffer.from([findReserved(descriptor, pageSize, Number(header[20]))]), 'the number of reserved bytes')
  put(21, FRACTIONS, 'the payload fractions')
  if (repaired.length > 0) writeSync(descriptor, fixed, 0, HEADER_BYTES, 0)
  return { layout: { pageSize, reserved: Number(fixed[20]) }, repaired }
}

/** The header's or the log's if as many pages look right as with any other. */
function findPageSize (descriptor: number, header: Buffer, log: number | null): number {
  const said = [header.readUInt16BE(16), ...log === null ? [] : [logPageSize(log)]].map(size => size === 1 ? 65536 : size)
  const candidates = [...said.filter(size => PAGE_SIZES.includes(size)), ...PAGE_SIZES]
  const [best] = candidates.map(size => ({ size, pages: countPlausible(descriptor, size) })).sort((a, b) => b.pages - a.pages) // stable
  return (best as { size: number }).size
}

function logPageSize (log: number): number {
  const header = readFully(log, 12, 0)
  return (header.readUInt32BE(0) & ~1) === WAL_MAGIC ? header.readUInt32BE(8) : 0
}

/** How many pages look right with a page size, judged by some of them. */
function countPlausible (descriptor: number, pageSize: number): number {
  const count = Math.floor(fstatSync(descriptor).size / pageSize)
  const step = Math.max(1, Math.floor(count / SAMPLES))
  let plausible = 0
  for (let index = 0; index < count; index += step) {
    if (isPlausible(readFully(descriptor, pageSize, index * pageSize), index + 1, pageSize)) plausible++
  }
  return plausible * step
}

/** Extensions may keep bytes at the end of each page; with a wrong number of them fewer rows can be read. */
function findReserved (descriptor: number, pageSize: number, said: number): number {
  if (said === 0 || pageSize - said < LEAST_USABLE) return 0
  const [withSaid, without] = [said, 0].map(reserved => countRows(new PageFile(descriptor, pageSize, reserved))) as [number, number]
  return withSaid >= without ? said : 0
}

function countRows (file: PageFile): number {
  const step = Math.max(1, Math.floor(file.pageCount / SAMPLES))
  let rows = 0
  for (let number = 1; number <= file.pageCount; number += step) {
    const page = parsePage(file.read(number), number, file.usable)
    if (page !== null) rows += readRows(file, page).rows.length
  }
  return rows
}
