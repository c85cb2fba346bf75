import Database from 'better-sqlite3'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { clonePages, copyDatabase, copyPinned } from '../../../src/engine/apply/copy-database.ts'
import { pinPages } from '../../../src/engine/pages/page-source.ts'
import { contentOf, makeDatabase, makeLargeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'
import { mountReflinkDisk, noReflinks } from '../../helpers/reflink-disk.ts'

t.test('a backup that says it has copied nothing of a database with pages is an error', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  // What SQLite does when it finds a lock cannot be had at will.
  const database = { name: path, backup: async () => ({ totalPages: 0, remainingPages: 0 }) } as unknown as Database.Database
  await t.rejects(copyPinned(database, join(t.testdirName, 'copy.db')), { message: 'nothing was copied' })
})

for (const isDirect of [true, false]) {
  t.test(`a copy has what is committed, the log included, ${isDirect ? 'read directly, byte for byte' : 'by way of SQLite where that is not possible'}`, async t => {
    const path = join(testFolder(t), 'app.db')
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

/** What the log has that the file has not: changed pages, new ones, and a database that has become shorter than its file. */
const logs: Record<string, string> = {
  'an empty log': 'PRAGMA wal_checkpoint(TRUNCATE)',
  'changed and new pages in the log': "PRAGMA wal_checkpoint(TRUNCATE); UPDATE items SET text = 'changed' WHERE id % 100 = 0; INSERT INTO items (data) VALUES (randomblob(500000))",
  'fewer pages in the log than the file has': 'PRAGMA wal_checkpoint(TRUNCATE); DELETE FROM items WHERE id > 300; VACUUM',
  'no log, but a rollback journal': 'PRAGMA journal_mode = DELETE'
}
for (const [what, sql] of Object.entries(logs)) {
  t.test(`where files can share their blocks, the copy shares those of the file (${what})`, { skip: noReflinks }, async t => {
    const folder = mountReflinkDisk(t)
    const [path, copy] = [join(folder, 'app.db'), join(folder, 'copy.db')]
    makeLargeDatabase(path, 40_000_000)
    const application = new Database(path)
    t.teardown(() => { application.close() })
    application.pragma('wal_autocheckpoint = 0')
    application.exec(sql)
    const { bfree: before, bsize } = await statfs(folder)
    await copyDatabase({ source: { path, lockTimeoutMs: 1000 }, copy })
    const { bfree: after } = await statfs(folder)
    t.ok(readFileSync(copy).equals(application.serialize()))
    t.equal(statSync(copy).mode & 0o777, 0o600)
    t.ok((before - after) * bsize < 10_000_000, `${(before - after) * bsize} bytes are its own`)
    t.same(readdirSync(folder).filter(name => !name.startsWith('app.db')), ['copy.db'])
  })
}

for (const [what, sql] of Object.entries(logs)) {
  t.test(`what was cloned becomes what is committed (${what})`, async t => {
    const path = join(testFolder(t), 'app.db')
    const application = makeDatabase(path, { rows: 2000 })
    t.teardown(() => { application.close() })
    application.pragma('wal_autocheckpoint = 0')
    application.exec(sql)
    const reader = new Database(path)
    const copy = join(t.testdirName, 'copy.db')
    t.ok(await clonePages(pinPages(reader), copy, async (_, clone) => {
      writeFileSync(clone, readFileSync(path))
      return true
    }))
    t.ok(readFileSync(copy).equals(reader.serialize()))
    reader.close()
  })
}
