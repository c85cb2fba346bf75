import type Database from 'better-sqlite3'
import { join } from 'node:path'
import t from 'tap'
import { copyPinned } from '../../src/engine/copy-database.ts'
import { makeDatabase } from '../helpers/databases.ts'

t.test('a backup that says it has copied nothing of a database with pages is an error', async t => {
  const path = join(t.testdir(), 'app.db')
  makeDatabase(path).close()
  // What SQLite does when it finds a lock cannot be had at will.
  const database = { name: path, backup: async () => ({ totalPages: 0, remainingPages: 0 }) } as unknown as Database.Database
  await t.rejects(copyPinned(database, join(t.testdirName, 'copy.db')), { message: 'nothing was copied' })
})
