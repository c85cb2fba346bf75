import Database from 'better-sqlite3'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SnapshotOptions, SnapshotWriter } from '../../src/index.ts'
import { query } from '../helpers/bank.ts'
import { contentOf, makeDatabase, type JournalMode } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'

/** A folder of Drizzle migrations with one statement. */
function migrations (t: Test, sql: string): string {
  const journal = { version: '7', dialect: 'sqlite', entries: [{ idx: 0, version: '6', when: 1, tag: '0000_first', breakpoints: true }] }
  return join(testFolder(t, { drizzle: { '0000_first.sql': sql, meta: { '_journal.json': JSON.stringify(journal) } } }), 'drizzle')
}

/** A writer with a snapshot `old` of a database that has changed since; made after the options, which may need files. */
async function prepare (t: Test, options: SnapshotOptions, journalMode: JournalMode = 'wal'): Promise<{ writer: SnapshotWriter, path: string }> {
  const path = join(t.testdirName, 'app.db')
  makeDatabase(path, { journalMode }).close()
  const writer = writerFor(t, path, options)
  await writer.createSnapshot('old')
  new Database(path).exec('DELETE FROM items').close()
  return { writer, path }
}

for (const journalMode of ['wal', 'delete'] as const) {
  t.test(`Drizzle migrations bring an old snapshot up to the schema of today, journal mode ${journalMode}`, async t => {
    const { writer, path } = await prepare(t, { migrations: { folder: migrations(t, 'ALTER TABLE items ADD COLUMN added TEXT DEFAULT \'new\';') } }, journalMode)
    await writer.restoreFromSnapshot('old')
    t.equal(query(path, "SELECT count(*) FROM items WHERE added = 'new'"), 100)
    t.equal(query(path, 'PRAGMA journal_mode'), journalMode)
    await writer.restoreFromSnapshot('old')
  })
}

t.test('another tool migrates the staged file, never the live one', async t => {
  testFolder(t)
  const paths: string[] = []
  const { writer, path } = await prepare(t, {
    migrate: async stagingPath => {
      paths.push(stagingPath)
      const database = new Database(stagingPath)
      database.pragma('journal_mode = WAL')
      database.exec('CREATE TABLE migrated (a)')
      t.equal(query(path, 'SELECT count(*) FROM items'), 0, 'the live database is untouched meanwhile')
      database.close()
    }
  })
  await writer.restoreFromSnapshot('old')
  t.not(paths[0], path)
  t.equal(query(path, 'SELECT count(*) FROM migrated'), 0)
  t.equal(query(path, 'SELECT count(*) FROM items'), 100)
})

const failures: Record<string, (t: Test) => SnapshotOptions> = {
  'a Drizzle migration fails': t => ({ migrations: { folder: migrations(t, 'ALTER TABLE nowhere ADD COLUMN a;') } }),
  'the function of the application fails': () => ({ migrate: () => { throw new Error('no such luck') } }),
  'the function of the application leaves no sound database': () => ({ migrate: stagingPath => { writeFileSync(stagingPath, 'gone '.repeat(1000)) } })
}
for (const [failure, options] of Object.entries(failures)) {
  t.test(`where ${failure} the live database is untouched`, async t => {
    testFolder(t)
    const { writer, path } = await prepare(t, options(t))
    const content = contentOf(path)
    await t.rejects(writer.restoreFromSnapshot('old'), { code: 'FST_SNAPSHOT_RESTORE_FAILED', statusCode: 500, message: /^Restore failed: the migrations/ })
    t.same(contentOf(path), content)
    t.match(await writer.getSnapshot('old'), { status: 'COMPLETED', lastRestoredAt: null })
  })
}

t.test('a migration that never ends does not keep the application from closing', async t => {
  testFolder(t)
  const begun = Promise.withResolvers<AbortSignal>()
  const { writer, path } = await prepare(t, { migrate: async (_path, signal) => { begun.resolve(signal); await new Promise(() => {}) } })
  const content = contentOf(path)
  const restoring = t.rejects(writer.restoreFromSnapshot('old'), { code: 'FST_SNAPSHOT_CANCELLED' })
  const signal = await begun.promise
  await writer.close()
  await restoring
  t.ok(signal.aborted)
  t.same(contentOf(path), content)
})
