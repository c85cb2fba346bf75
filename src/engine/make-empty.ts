import { existsSync } from 'node:fs'
import Database from 'better-sqlite3'
import { readHeader } from './database-header.ts'
import { step } from '../step.ts'

export interface MakeEmptyInput {
  /** A path where nothing exists yet. */
  file: string
  /** Path of the database whose page size and encoding it gets, where its header makes sense. It is not opened with SQLite, which would change its files. */
  like: string
}

const PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]

/** Makes a database without tables. It has a page: a file of no bytes cannot be applied. */
export async function makeEmpty ({ file, like }: MakeEmptyInput): Promise<void> {
  const { pageSize, encoding } = existsSync(like) ? readHeader(like) : { pageSize: 0, encoding: 'UTF-8' }
  const database = new Database(file)
  try {
    if (PAGE_SIZES.includes(pageSize)) database.pragma(`page_size = ${pageSize}`)
    database.pragma(`encoding = '${encoding}'`)
    database.exec('CREATE TABLE made (made); DROP TABLE made')
    step('reset: empty database made')
  } finally {
    database.close()
  }
}
