import type Database from 'better-sqlite3'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { copyDatabase, copyPinned } from '../../src/engine/copy-database.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'

t.test('a backup that says it has copied nothing of a database with pages is an error', async t => {
  const path = join(t.testdir(), 'app.db')
  makeDatabase(path).close()
  // What SQLite does when it finds a lock cannot be had at will.
  const database = { name: path, backup: async () => ({ totalPages: 0, remainingPages: 0 }) } as unknown as Database.Database
  await t.rejects(copyPinned(database, join(t.testdirName, 'copy.db')), { message: 'nothing was copied' })
})

for (const isDirect of [true, false]) {
  t.test(`a copy has what is committed, the log included, ${isDirect ? 'read directly, byte for byte' : 'by way of SQLite where that is not possible'}`, async t => {
    const path = join(t.testdir(), 'app.db')
    const application = makeDatabase(path, { rows: 5000 })
    t.teardown(() => { application.close() })
    if (!isDirect) t.intercept(process, 'platform', { value: 'win32' })
    const copy = join(t.testdirName, 'copy.db')
    await copyDatabase({ source: { path, lockTimeoutMs: 1000 }, copy })
    t.same(readdirSync(t.testdirName), ['app.db', 'app.db-shm', 'app.db-wal', 'copy.db'])
    if (isDirect) t.ok(readFileSync(copy).equals(application.serialize()))
    t.same(contentOf(copy), contentOf(path))
  })
}
