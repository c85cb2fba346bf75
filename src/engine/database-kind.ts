import { openSync, readSync } from 'node:fs'
import Database from 'better-sqlite3'
import { NotRestorableError } from '../errors.ts'
import { HEADER_BYTES, parseHeader, readHeader, type DatabaseHeader } from './database-header.ts'

/** What of the live database a transaction on it cannot change. */
export interface Kind { pageSize: number, encoding: string, isWal: boolean, isEmpty: boolean }

/** From SQLite where it can say, as the first page may stand in the log only; else, with a damaged schema, from the file. */
export function kindOf (live: Database.Database): Kind {
  const property = (pragma: string): unknown => live.pragma(pragma, { simple: true })
  try {
    return { pageSize: property('page_size') as number, encoding: String(property('encoding')), isWal: property('journal_mode') === 'wal', isEmpty: property('page_count') === 0 }
  } catch {
    return { ...readHeaderOf(live), isEmpty: false }
  }
}

/** The descriptor stays open: closing it would drop the locks of this process. */
function readHeaderOf (live: Database.Database): DatabaseHeader {
  const bytes = Buffer.alloc(HEADER_BYTES)
  readSync(openSync(live.name, 'r'), bytes, 0, bytes.length, 0)
  return parseHeader(bytes)
}

/**
 * Gives the image the live file's journal mode.
 * @throws FST_SNAPSHOT_NOT_RESTORABLE for what a transaction on the live file cannot change
 */
export function makeAlike (image: string, live: Kind, name: string): void {
  if (live.isEmpty) return // an empty file takes everything from the image
  const theirs = readHeader(image)
  for (const [what, theirsIs, oursIs] of [['page size', theirs.pageSize, live.pageSize], ['text encoding', theirs.encoding, live.encoding]]) {
    if (theirsIs !== oursIs) throw new NotRestorableError(name, `its ${String(what)} is ${String(theirsIs)}, that of the live database ${String(oursIs)}`)
  }
  if (theirs.isWal !== live.isWal) setJournalMode(image, live.isWal)
}

/** Of a file that nothing else uses. */
export function setJournalMode (image: string, isWal: boolean): void {
  const staged = new Database(image)
  try {
    staged.pragma(`journal_mode = ${isWal ? 'WAL' : 'DELETE'}`)
  } finally {
    staged.close()
  }
}

/** Whether a first page is still that of a database of this kind; an empty one has none. */
export function isOfKind ({ pageSize, isWal, encoding }: DatabaseHeader, kind: Kind): boolean {
  return kind.isEmpty ? pageSize === 0 : pageSize === kind.pageSize && isWal === kind.isWal && encoding === kind.encoding
}
