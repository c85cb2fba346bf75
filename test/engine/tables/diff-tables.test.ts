import Database from 'better-sqlite3'
import fc from 'fast-check'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runEngine } from '../../../src/engine/engine.ts'
import { diffTables } from '../../../src/engine/tables/diff-tables.ts'
import { changeSchema, damageDatabase } from '../../helpers/damage.ts'
import { makeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'
import type { DatabaseDiff } from '../../../src/engine/tables/reports.ts'

/** Two databases made by the same statements, each followed by its own. */
function makeTwo (t: Test, both: string, snapshot: string, live: string): { image: string, path: string } {
  const folder = testFolder(t)
  const make = (file: string, sql: string): string => {
    const database = new Database(join(folder, file))
    database.pragma('journal_mode = WAL')
    database.exec(both + ';' + sql)
    database.close()
    return join(folder, file)
  }
  return { image: make('image.db', snapshot), path: make('app.db', live) }
}

const diff = async ({ image, path }: { image: string, path: string }): Promise<DatabaseDiff> =>
  await diffTables({ target: { path, lockTimeoutMs: 1000 }, image, name: 'image' })

const counts = ({ tables }: DatabaseDiff): unknown => Object.fromEntries(tables.map(({ name, comparedBy, onlyInSnapshot, onlyInLive, changed }) => [name, [comparedBy, onlyInSnapshot, onlyInLive, changed]]))

t.test('rows are told apart by their primary key, beside an application that goes on writing', async t => {
  const folder = testFolder(t)
  const [path, image] = [join(folder, 'app.db'), join(folder, 'image.db')]
  const application = makeDatabase(path, { rows: 100 })
  application.pragma('wal_checkpoint(TRUNCATE)')
  copyFileSync(path, image)
  application.exec("DELETE FROM items WHERE id <= 10; UPDATE items SET text = 'new' WHERE id BETWEEN 11 AND 13; INSERT INTO items (text) VALUES ('a'), ('b')")
  const { tables, schema } = await runEngine('diff-tables', { target: { path, lockTimeoutMs: 1000 }, image, name: 'image' })
  t.same(tables, [{
    name: 'items', kind: 'table', snapshotRows: 100, liveRows: 92, comparedBy: 'key', onlyInSnapshot: 10, onlyInLive: 2, changed: 3, columns: { onlyInSnapshot: [], onlyInLive: [], changed: [] }, problem: null
  }])
  t.same(schema, [])
  application.exec("INSERT INTO items (text) VALUES ('goes on')")
  application.close()
})

t.test('composite keys, with collations and in tables without a rowid', async t => {
  const result = await diff(makeTwo(t, 'CREATE TABLE people (name TEXT COLLATE NOCASE, born INT, note, PRIMARY KEY (born DESC, name)) WITHOUT ROWID',
    "INSERT INTO people VALUES ('ada', 1, 'same'), ('alan', 1, x'00ff'), ('grace', 2, NULL), ('gone', 3, 1)",
    "INSERT INTO people VALUES ('ada', 1, 'same'), ('ALAN', 1, x'00ff'), ('grace', 2, 0), ('new', 3, 1), ('ada', 2, 1)"))
  t.same(counts(result), { people: ['key', 1, 2, 2] }, 'another case of letters in a key is a change')
})

t.test('values differ by type and by every byte', async t => {
  const result = await diff(makeTwo(t, 'CREATE TABLE v (id INTEGER PRIMARY KEY, value, text TEXT COLLATE RTRIM)',
    "INSERT INTO v VALUES (1, 1, 'a'), (2, 'a', 'a '), (3, x'61', 'a'), (4, NULL, 'a'), (5, 9007199254740993, 'a')",
    "INSERT INTO v VALUES (1, 1.0, 'a'), (2, 'a', 'a'), (3, 'a', 'a'), (4, NULL, 'a'), (5, 9007199254740992, 'a')"))
  t.same(counts(result), { v: ['key', 0, 0, 4] })
})

t.test('tables without a primary key are compared as whole rows, as often as each is there', async t => {
  const result = await diff(makeTwo(t, 'CREATE TABLE log (a, b)',
    "INSERT INTO log VALUES (1, 'a'), (1, 'a'), (1, 'a'), (NULL, NULL), (2, 'b')",
    "INSERT INTO log VALUES (1, 'a'), (NULL, NULL), (NULL, NULL), (2.0, 'b')"))
  t.same(counts(result), { log: ['row', 3, 2, 0] })
})

t.test('rows with NULL in their key are compared as whole rows, the others by key', async t => {
  const result = await diff(makeTwo(t, 'CREATE TABLE k (a TEXT, b, c, PRIMARY KEY (a, b))',
    "INSERT INTO k VALUES ('a', NULL, 1), ('a', NULL, 1), (NULL, NULL, 2), ('b', 1, 1)",
    "INSERT INTO k VALUES ('a', NULL, 1), (NULL, NULL, 3), ('b', 1, 2)"))
  t.same(counts(result), { k: ['key', 2, 1, 1] })
})

t.test('tables, columns and other objects that only one of the two has', async t => {
  const { tables, schema } = await diff(makeTwo(t, 'CREATE TABLE changing (id INTEGER PRIMARY KEY, kept, twice AS (kept * 2))',
    'CREATE TABLE old (a); INSERT INTO old VALUES (1), (2); ALTER TABLE changing ADD COLUMN dropped; ALTER TABLE changing ADD COLUMN Typed TEXT; CREATE INDEX i ON old (a); INSERT INTO changing (id, kept) VALUES (1, 1), (2, 2)',
    'CREATE TABLE new (a); INSERT INTO new VALUES (1); ALTER TABLE changing ADD COLUMN added; ALTER TABLE changing ADD COLUMN typed INT; CREATE VIEW v AS SELECT 1; INSERT INTO changing (id, kept, added) VALUES (1, 1, 1), (2, 3, 2)'))
  t.match(tables, [
    { name: 'changing', comparedBy: 'key', onlyInSnapshot: 0, onlyInLive: 0, changed: 1, columns: { onlyInSnapshot: ['dropped'], onlyInLive: ['added'], changed: ['typed'] } },
    { name: 'new', snapshotRows: null, liveRows: 1, comparedBy: null, onlyInSnapshot: 0, onlyInLive: 1, changed: 0 },
    { name: 'old', snapshotRows: 2, liveRows: null, comparedBy: null, onlyInSnapshot: 2, onlyInLive: 0, changed: 0 }
  ])
  t.match(schema, [
    { type: 'table', name: 'changing', snapshot: /dropped/, live: /added/ },
    { type: 'table', name: 'old', live: null },
    { type: 'index', name: 'i', snapshot: /CREATE INDEX/, live: null },
    { type: 'table', name: 'new', snapshot: null },
    { type: 'view', name: 'v', snapshot: null, live: /CREATE VIEW/ }
  ])
})

t.test('a primary key that is another in the two is none', async t => {
  t.same(counts(await diff(makeTwo(t, '',
    'CREATE TABLE a (x TEXT PRIMARY KEY, y); CREATE TABLE b (x TEXT PRIMARY KEY); CREATE TABLE c (x, y, PRIMARY KEY (x, y)); CREATE TABLE d (x INT); INSERT INTO a VALUES (1, 2); INSERT INTO b VALUES (1)',
    'CREATE TABLE a (x, y TEXT PRIMARY KEY); CREATE TABLE b (x TEXT COLLATE NOCASE PRIMARY KEY); CREATE TABLE c (x, y, PRIMARY KEY (x)); CREATE TABLE d (x INT PRIMARY KEY); INSERT INTO b VALUES (1)'))),
  { a: ['row', 1, 0, 0], b: ['row', 0, 0, 0], c: ['row', 0, 0, 0], d: ['row', 0, 0, 0] })
})

t.test('virtual tables, and tables without a common column, are not compared', async t => {
  const { tables } = await diff(makeTwo(t, 'CREATE VIRTUAL TABLE search USING fts5 (a)', 'CREATE TABLE x (a)', 'CREATE TABLE x (b)'))
  t.match(tables, [{ name: 'search', kind: 'virtual', comparedBy: null, changed: null, problem: /virtual/ }, { name: 'x', comparedBy: null, problem: /column/ }])
  t.equal(tables.length, 2, 'what a virtual table keeps is left out')
})

t.test('functions and collations that only the application has', async t => {
  const files = makeTwo(t, 'CREATE TABLE k (id TEXT PRIMARY KEY, value)', "INSERT INTO k (id, value) VALUES ('a', 1), ('b', 1)", "INSERT INTO k (id, value) VALUES ('a', 1), ('b', 2), ('B', 3)")
  for (const file of Object.values(files)) {
    const database = new Database(file)
    changeSchema(database, "UPDATE sqlite_schema SET sql = 'CREATE TABLE k (id TEXT COLLATE ours PRIMARY KEY, value, g AS (twice(value)))' WHERE type = 'table'")
  }
  t.match((await diff(files)).tables, [{ comparedBy: 'key', onlyInSnapshot: 0, onlyInLive: 1, changed: 1, problem: null }])
})

t.test('damage in one table says nothing of the others', async t => {
  const files = makeTwo(t, 'CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)', '', '')
  const database = new Database(files.path)
  database.exec('CREATE TABLE b (id INTEGER PRIMARY KEY, text); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO b SELECT i, hex(i) || i || i || i FROM n')
  database.close()
  copyFileSync(files.path, files.image)
  damageDatabase(files.path)
  t.match((await diff(files)).tables, [{ name: 'a', comparedBy: 'key', changed: 0 }, { name: 'b', comparedBy: null, problem: /malformed/ }])
})

t.test('another text encoding is refused, and so is an image that is no database', async t => {
  const files = makeTwo(t, 'CREATE TABLE a (b)', '', '')
  makeDatabase(`${files.image}16`, { encoding: 'UTF-16le' }).close()
  await t.rejects(diff({ ...files, image: `${files.image}16` }), { code: 'FST_SNAPSHOT_NOT_RESTORABLE', message: /encoding/ })
  writeFileSync(files.image, 'x'.repeat(5000))
  await t.rejects(diff(files), { code: 'FST_SNAPSHOT_NOT_A_DATABASE' })
})

t.test('the counts are those of a comparison in memory, whatever the rows', async t => {
  const value = fc.constantFrom(null, 0n, 1n, 1.5, 'a', 'A', '', Buffer.from('a'))
  const rows = fc.array(fc.tuple(value, value), { maxLength: 12 })
  const folder = testFolder(t)
  let number = 0
  const make = (rows: unknown[][], hasKey: boolean): string => {
    const path = join(folder, `${number++}.db`)
    const database = new Database(path)
    database.exec(`CREATE TABLE t (a COLLATE NOCASE, b ${hasKey ? ', PRIMARY KEY (a)' : ''})`)
    const insert = database.prepare('INSERT OR IGNORE INTO t VALUES (?, ?)')
    for (const row of rows) insert.run(row)
    database.close()
    return path
  }
  const text = (value: unknown): string => Buffer.isBuffer(value) ? 'blob' : `${typeof value} ${String(value)}`
  const rowsIn = (path: string): string[][] => {
    const database = new Database(path)
    const all = database.prepare('SELECT a, b FROM t').raw().all() as unknown[][]
    database.close()
    return all.map(row => row.map(text))
  }
  await fc.assert(fc.asyncProperty(rows, rows, fc.boolean(), async (snapshot, live, hasKey) => {
    const files = { image: make(snapshot, hasKey), path: make(live, hasKey) }
    const [theirs, ours] = [rowsIn(files.image), rowsIn(files.path)]
    let changed = 0
    const surplus = (rows: string[][], others: string[][], count: () => void): number => {
      const rest = [...others]
      const isMatch = ([key, value]: string[], [otherKey, otherValue]: string[]): boolean =>
        hasKey && key !== 'object null' ? String(key).toLowerCase() === String(otherKey).toLowerCase() : key === otherKey && value === otherValue
      return rows.filter(row => {
        const at = rest.findIndex(other => isMatch(row, other))
        if (at !== -1 && rest.splice(at, 1)[0]?.join() !== row.join()) count()
        return at === -1
      }).length
    }
    const expected = [surplus(theirs, ours, () => { changed++ }), surplus(ours, theirs, () => {}), changed]
    t.same(counts(await diff(files)), { t: [hasKey ? 'key' : 'row', ...expected] })
  }), { numRuns: 60 })
})
