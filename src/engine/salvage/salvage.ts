import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, linkSync, openSync, rmSync, statSync } from 'node:fs'
import Database from 'better-sqlite3'
import { messageOf, NotADatabaseError } from '../../errors.ts'
import { syncFile, syncFolderOf } from '../apply/safety-copy.ts'
import { HEADER_BYTES } from '../database-header.ts'
import { readFully } from '../pages/page-reader.ts'
import { explained } from '../target-database.ts'
import { copyReadable } from './copy-readable.ts'
import { checkSalvaged, makeObjects, makeTables, writeSequences } from './make-schema.ts'
import type { Damage } from './map-tree.ts'
import { PageFile, type Hole } from './page-file.ts'
import { readSchema, type SalvagedSchema } from './read-schema.ts'
import { repairHeader } from './repair-header.ts'
import { RowWriter } from './row-writer.ts'
import { RowSalvage, type Tally } from './salvage-rows.ts'
import { isInternal, shapesOf } from './shapes.ts'
import { unusedPages } from './unused-pages.ts'
import type { SalvagedTable, SalvageReport, UnreadableRange } from './report.ts'

export interface SalvageInput {
  /** A damaged database, which nothing uses. It is only read, with the -wal or -journal beside it. */
  file: string
  /** Where the new database is made; nothing exists there, and beside it is room for two copies. */
  destination: string
  /** Milliseconds after which no more rows are read. */
  timeLimitMs: number
}

const RANGES_KEPT = 100

/**
 * Copies what can be read of a damaged database into a new one. The file's pages are read past SQLite, which ends at the
 * first damaged one: every page of a tree that is not damaged itself counts, whatever is around it, and once only, so
 * circles end. Rows come whole or not at all; indexes are made anew.
 * @throws FST_SNAPSHOT_NOT_A_DATABASE where the file is empty
 */
export async function salvage ({ file, destination, timeLimitMs }: SalvageInput): Promise<SalvageReport> {
  const id = randomUUID() // nothing of anybody else's has such a name
  const [scratch, partial] = [`${destination}.${id}.scratch`, `${destination}.${id}.partial`]
  const deadline = performance.now() + timeLimitMs
  try {
    return explained({ path: file, lockTimeoutMs: 0 }, () => {
      const suffixes = ['-wal', '-journal'].filter(suffix => existsSync(file + suffix))
      for (const suffix of suffixes) copyReadable(file + suffix, scratch + suffix)
      const holes = copyReadable(file, scratch)
      if (statSync(scratch).size === 0 && suffixes.length === 0) throw new NotADatabaseError(file)
      const { repaired, layout, problems } = recover(scratch)
      const report = salvageInto(scratch, partial, { ...layout, holes, isHeaderSound: repaired.length === 0 }, () => performance.now() >= deadline)
      const made = checkSalvaged(partial)
      syncFile(partial)
      linkSync(partial, destination)
      syncFolderOf(destination)
      return { repaired, missingBytes: holes.reduce((sum, { length }) => sum + length, 0), ...report, problems: [...problems, ...report.problems, ...made.problems], integrity: made.integrity }
    })
  } finally {
    for (const made of [scratch, partial]) for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(made + suffix, { force: true })
  }
}

type Layout = ReturnType<typeof repairHeader>['layout']

/** Lets SQLite put what is in a log or a journal into the copy of the file. */
function recover (scratch: string): { repaired: string[], layout: Layout, problems: string[] } {
  const repaired = repairCopy(scratch)
  if (!['-wal', '-journal'].some(suffix => existsSync(scratch + suffix))) return { ...repaired, problems: [] }
  const problems: string[] = []
  try {
    const database = new Database(scratch)
    try {
      database.pragma('wal_checkpoint(TRUNCATE)')
    } finally {
      database.close() // moves the log into the file, even where the schema is damaged
    }
  } catch (error) {
    problems.push(`the log or journal beside the file: ${messageOf(error)}`)
  }
  return { repaired: repaired.repaired, layout: repairCopy(scratch).layout, problems } // the first page may be another one now
}

function repairCopy (scratch: string): ReturnType<typeof repairHeader> {
  const descriptor = openSync(scratch, 'r+')
  const log = existsSync(`${scratch}-wal`) ? openSync(`${scratch}-wal`, 'r') : null
  try {
    return repairHeader(descriptor, log)
  } finally {
    closeSync(descriptor)
    if (log !== null) closeSync(log)
  }
}

function salvageInto (scratch: string, partial: string, { pageSize, reserved, holes, isHeaderSound }: Layout & { holes: Hole[], isHeaderSound: boolean }, isLate: () => boolean): Omit<SalvageReport, 'repaired' | 'missingBytes' | 'integrity'> {
  const descriptor = openSync(scratch, 'r')
  const database = new Database(partial)
  try {
    const file = new PageFile(descriptor, pageSize, reserved, holes)
    const header = readFully(descriptor, HEADER_BYTES, 0)
    const schema = readSchema(file)
    const encoding = schema.encoding ?? 'UTF-8'
    const shapes = shapesOf(schema.rows, encoding)
    const standIns = new Set<string>()
    makeTables(database, schema.rows, standIns, { pageSize, encoding, header: isHeaderSound ? header : null })
    const writer = new RowWriter(database, encoding, schema.rows.map(({ name }) => name))
    const { tables, sequences, isComplete } = new RowSalvage(file, writer, encoding, isLate).run(schema.rows, shapes, unusedPages(file, header), schema.damage.length === 0 && schema.badRows === 0)
    writeSequences(database, sequences)
    const problems = [...schemaProblems(schema), ...makeObjects(database, schema.rows, standIns)]
    return {
      encoding: schema.encoding,
      tables: [...tables].filter(([name]) => !isInternal({ name })).map(([name, tally]) => ({ ...withRanges(tally), name })),
      lostAndFound: writer.lostAndFound === null ? null : { table: writer.lostAndFound, rows: writer.lostRows },
      problems,
      isComplete
    }
  } finally {
    database.close()
    closeSync(descriptor)
  }
}

function schemaProblems ({ damage, badRows }: SalvagedSchema): string[] {
  return [
    ...damage.map(({ page, reason }) => `page ${page} of the schema: ${reason}`),
    ...badRows > 0 ? [`${badRows} rows of the schema cannot be read`] : []
  ]
}

function withRanges ({ damage, ...tally }: Tally): Omit<SalvagedTable, 'name'> {
  return { ...tally, unreadable: damage.slice(0, RANGES_KEPT).map(rangeOf), unreadablePages: damage.length }
}

function rangeOf ({ page, after, upTo, reason }: Damage): UnreadableRange {
  return { page, fromRowid: after === null ? null : String(after + 1n), toRowid: upTo === null ? null : String(upTo), reason }
}
