/*
 * What is told of a salvage. Types alone, as they are also the applications'.
 */

/** A page that could not be read; rowids are text, as they may be larger than a number; null is no end. */
export interface UnreadableRange { page: number, fromRowid: string | null, toRowid: string | null, reason: string }

export interface SalvagedTable {
  name: string
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
  /** At most 100. What was on these pages may be among the stray rows all the same. */
  unreadable: UnreadableRange[]
  /** How many pages could not be read, beside all that only they lead to. */
  unreadablePages: number
}

export interface SalvageReport {
  /** What of the file's header was repaired. */
  repaired: string[]
  /** Bytes that the disk did not give. */
  missingBytes: number
  /** Null where nothing is left of the schema. */
  encoding: string | null
  tables: SalvagedTable[]
  /** The table for rows that have no place in theirs, or whose table is not known; null where there are none. */
  lostAndFound: { table: string, rows: number } | null
  /** What could not be read of the schema, or made again from it, and why. */
  problems: string[]
  /** False where the time was over before all had been read. */
  isComplete: boolean
  /** Of the new database, in full. */
  integrity: { isHealthy: boolean, errors: string[], unchecked: string[] }
}
