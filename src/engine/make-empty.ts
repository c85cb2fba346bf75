import Database from 'better-sqlite3'
import { kindOf } from './database-kind.ts'
import { openTarget, type Target } from './target-database.ts'
import { step } from '../step.ts'

export interface MakeEmptyInput {
  /** A path where nothing exists yet. */
  file: string
  /** The database whose page size and encoding it gets, where SQLite can tell them. */
  like: Target
}

/** Makes a database without tables. It has a page: a file of no bytes cannot be applied. */
export async function makeEmpty ({ file, like }: MakeEmptyInput): Promise<void> {
  const { pageSize, encoding } = kindOfTarget(like)
  const database = new Database(file)
  try {
    database.pragma(`page_size = ${pageSize}`)
    database.pragma(`encoding = '${encoding}'`)
    database.exec('CREATE TABLE made (made); DROP TABLE made')
    step('reset: empty database made')
  } finally {
    database.close()
  }
}

function kindOfTarget (target: Target): { pageSize: number, encoding: string } {
  try {
    const database = openTarget(target)
    try {
      return kindOf(database)
    } finally {
      database.close()
    }
  } catch {
    return { pageSize: 4096, encoding: 'UTF-8' }
  }
}
