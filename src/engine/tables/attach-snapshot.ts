import type Database from 'better-sqlite3'
import { messageOf, NotRestorableError } from '../../errors.ts'

/**
 * Lets a connection to the live database read a staged image as the schema `snapshot`.
 * @throws FST_SNAPSHOT_NOT_RESTORABLE where their text encodings differ
 */
export function attachSnapshot (database: Database.Database, image: string, name: string): void {
  try {
    database.prepare('ATTACH ? AS snapshot').run(image)
  } catch (error) {
    if (!/same text encoding/.test(messageOf(error))) throw error
    throw new NotRestorableError(name, 'its text encoding is not that of the live database, so SQLite cannot read both at once. Restore it to a file of its own', { cause: error })
  }
}
