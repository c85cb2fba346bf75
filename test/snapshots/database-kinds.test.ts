import Database from 'better-sqlite3'
import { chmodSync, chownSync, copyFileSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { contentOf, makeDatabase, type DatabaseOptions } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { checkRoundTrip } from '../helpers/round-trip.ts'
import { runScript } from '../helpers/run-script.ts'

/** What an application might do between a snapshot and its restore. */
function spoil (path: string): void {
  const database = new Database(path)
  database.exec('CREATE TABLE spoilt (a); INSERT INTO spoilt VALUES (zeroblob(100000))')
  for (const name of database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('items', 'words')").pluck().all()) database.exec(`DELETE FROM ${String(name)}`)
  database.close()
}

const kinds: Record<string, DatabaseOptions> = {}
for (const pageSize of [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]) kinds[`pages of ${pageSize} bytes`] = { pageSize, rows: 500 }
for (const journalMode of ['delete', 'truncate', 'persist'] as const) kinds[`journal mode ${journalMode}`] = { journalMode }
for (const encoding of ['UTF-16le', 'UTF-16be'] as const) kinds[`encoding ${encoding}`] = { encoding }
for (const autoVacuum of ['full', 'incremental'] as const) kinds[`auto_vacuum ${autoVacuum}`] = { autoVacuum, rows: 1000 }
kinds['journal mode delete, pages of 512 bytes'] = { journalMode: 'delete', pageSize: 512 }
kinds['journal mode delete, pages of 65536 bytes'] = { journalMode: 'delete', pageSize: 65536 }
kinds['more than one frame'] = { rows: 20_000 }

for (const [kind, options] of Object.entries(kinds)) {
  t.test(`a database with ${kind} comes back as it was`, async t => {
    const path = join(testFolder(t), 'app.db')
    makeDatabase(path, options).close()
    await checkRoundTrip(t, path, () => { spoil(path) })
  })
}

t.test('a database with every kind of table comes back as it was', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path)
  database.exec(`
    CREATE VIRTUAL TABLE words USING fts5(text);
    INSERT INTO words SELECT text FROM items;
    CREATE VIRTUAL TABLE boxes USING rtree(id, minX, maxX);
    INSERT INTO boxes SELECT id, id, id + 1 FROM items;
    CREATE TABLE keyed (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    INSERT INTO keyed SELECT 'key ' || id, data FROM items;
    CREATE TABLE typed (id INTEGER PRIMARY KEY, number REAL NOT NULL, anything ANY) STRICT;
    INSERT INTO typed SELECT id, id / 3.0, data FROM items;
    CREATE TABLE generated (a INTEGER, b AS (a * 2) STORED, c AS (a || '!') VIRTUAL);
    INSERT INTO generated (a) SELECT id FROM items;
    CREATE TABLE log (text);
    CREATE TRIGGER logged AFTER INSERT ON items BEGIN INSERT INTO log VALUES (new.text); END;
    CREATE VIEW texts AS SELECT text FROM items;
    CREATE INDEX part ON items (data) WHERE id > 10;
    CREATE INDEX expression ON items (length(text));
    PRAGMA user_version = 42;
    INSERT INTO items (text) VALUES ('for the trigger')`)
  database.close()
  await checkRoundTrip(t, path, () => { spoil(path) })
})

t.test('an empty file comes back as an empty database', async t => {
  const path = join(testFolder(t), 'app.db')
  writeFileSync(path, '')
  await checkRoundTrip(t, path, () => { spoil(path) })
})

t.test('a snapshot of tables goes into a file that is empty now', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path, { pageSize: 8192 }).close()
  await checkRoundTrip(t, path, () => { writeFileSync(path, '') })
})

t.test('a database of one page comes back as it was', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = new Database(path)
  database.exec('PRAGMA user_version = 7; VACUUM')
  t.equal(database.pragma('page_count', { simple: true }), 1)
  database.close()
  await checkRoundTrip(t, path, () => { spoil(path) })
})

t.test('what a killed writer left in the write-ahead log is in the snapshot', async t => {
  const folder = testFolder(t, { copy: {} })
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  await runScript('leave-wal', path)
  t.ok(statSync(`${path}-wal`).size > 0, 'there is a log')
  for (const suffix of ['', '-wal']) copyFileSync(path + suffix, join(folder, 'copy', `app.db${suffix}`))
  const expected = contentOf(join(folder, 'copy', 'app.db'))
  await checkRoundTrip(t, path, () => { spoil(path) }, expected)
})

t.test('a hot journal is rolled back first, so the snapshot has what was committed', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path, { journalMode: 'delete', rows: 5000 }).close()
  const expected = contentOf(path)
  await runScript('leave-hot-journal', path)
  t.ok(statSync(`${path}-journal`).size > 0, 'there is a journal')
  await checkRoundTrip(t, path, () => { spoil(path) }, expected)
})

t.test('a database in WAL mode is restored under the connection of an application that has it open', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path)
  t.teardown(() => { database.close() })
  await checkRoundTrip(t, path, () => { database.exec('DELETE FROM items; CREATE TABLE other (a)') })
  t.equal(database.prepare('SELECT count(*) FROM items').pluck().get(), 100, 'it sees the restored content without reopening')
  t.equal(statSync(`${path}-wal`).size, 0, 'the log is small again')
})

t.test('a path with spaces and letters of other alphabets works', async t => {
  const folder = join(testFolder(t), 'ein Ordner – ファイル %41 #1')
  mkdirSync(folder)
  const path = join(folder, "it's ein Schlüssel.db")
  makeDatabase(path).close()
  await checkRoundTrip(t, path, () => { spoil(path) })
})

t.test('a symbolic link is followed and stays one', async t => {
  const folder = testFolder(t, { real: {} })
  const path = join(folder, 'link.db')
  makeDatabase(join(folder, 'real', 'app.db')).close()
  symlinkSync(join('real', 'app.db'), path)
  await checkRoundTrip(t, path, () => { spoil(path) })
  t.ok(statSync(join(folder, 'real', 'app.db')).isFile())
})

t.test('the restored file keeps its owner and mode', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  chmodSync(path, 0o640)
  if (process.getuid?.() === 0) chownSync(path, 1234, 2345)
  const before = statSync(path)
  await checkRoundTrip(t, path, () => { spoil(path) })
  const { uid, gid, mode, ino } = statSync(path)
  t.same({ uid, gid, mode, ino }, { uid: before.uid, gid: before.gid, mode: before.mode, ino: before.ino })
})
