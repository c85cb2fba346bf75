import { statSync } from 'node:fs'
import type Database from 'better-sqlite3'
import { messageOf } from '../../errors.ts'
import { kindOf, type Kind } from '../database-kind.ts'
import { LivePages } from '../pages/live-pages.ts'
import { openTarget, type Target } from '../target-database.ts'
import { TargetChanged } from './target-changed.ts'

/** The live database, before its lock is asked for. */
export interface Live { database: Database.Database, kind: Kind, pages: LivePages }

/**
 * Opens the live database and its files.
 * @param open how to open it; a test has to do with files that are moved away meanwhile
 * @throws TargetChanged where another file, or none, is in its place by now: what failed says nothing of the database then
 */
export function lookAtLive (target: Target, open = openTarget): Live {
  const before = fileAt(target)
  let database: Database.Database | undefined
  try {
    database = open(target)
    const kind = kindOf(database)
    return { database, kind, pages: new LivePages(database.name, kind) }
  } catch (error) {
    database?.close()
    if (fileAt(target) === before) throw error
    throw new TargetChanged(`the database was moved away while it was opened: ${messageOf(error)}`, { cause: error })
  }
}

function fileAt ({ path }: Target): string | null {
  const file = statSync(path, { throwIfNoEntry: false })
  return file === undefined ? null : `${file.dev} ${file.ino}`
}
