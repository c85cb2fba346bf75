import Database from 'better-sqlite3'
import fc from 'fast-check'
import { copyFileSync, existsSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Engine, runEngine } from '../../../src/engine/engine.ts'
import type { RestoreTablesInput, RestoreTablesResult } from '../../../src/engine/tables/restore-tables.ts'
import { LockFile } from '../../../src/lock-file.ts'
import { commitsIn, isBalanced, makeBank, query } from '../../helpers/bank.ts'
import { damageDatabase } from '../../helpers/damage.ts'
import { addRows, contentOf, integrityOf, journalModeOf, makeDatabase, type JournalMode } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'
import { holdLock, withRollbackJournal } from '../../helpers/locked.ts'
import { descriptorsOf, enginesOf, until } from '../../helpers/processes.ts'
import { BackgroundScript } from '../../helpers/run-script.ts'

interface Files { folder: string, path: string, image: string }

/** Two databases made by the same statements, each followed by its own. */
function makeTwo (t: Test, both: string, snapshot: string, live: string, journalMode: JournalMode = 'wal'): Files {
  const folder = testFolder(t)
  const make = (file: string, sql: string): string => {
    const database = new Database(join(folder, file))
    database.pragma('foreign_keys = OFF')
    database.pragma(`journal_mode = ${journalMode}`)
    database.exec(both + ';' + sql)
    database.close()
    return join(folder, file)
  }
  return { folder, image: make('image.db', snapshot), path: make('app.db', live) }
}

let number = 0

/** What to restore, with a fresh bulk copy. */
async function prepare ({ folder, path, image }: Files, tables: string[], mode: RestoreTablesInput['mode'] = 'replace'): Promise<RestoreTablesInput> {
  const target = { path, lockTimeoutMs: 10_000 }
  const id = String(++number)
  const partial = join(folder, `${id}.partial`)
  const copiedAt = await runEngine('copy-database', { source: target, copy: partial })
  return { target, image, name: 'monday', tables, mode, lockFile: join(folder, 'engine.lock'), safetyCopy: { partial, path: join(folder, `${id}.backup`), latest: null }, copiedAt, intentFile: join(folder, `${id}.intent`) }
}

const restore = async (files: Files, tables: string[], mode?: RestoreTablesInput['mode']): Promise<RestoreTablesResult> =>
  await runEngine('restore-tables', await prepare(files, tables, mode), { priority: 'normal' })

function rows (path: string, sql: string): unknown[] {
  const database = new Database(path)
  try {
    return database.prepare(sql).raw().all()
  } finally {
    database.close()
  }
}

/** A refused restore leaves the live database alone, byte for byte as far as SQL can tell. */
async function isRefused (t: Test, files: Files, tables: string[], message: RegExp, mode?: RestoreTablesInput['mode']): Promise<void> {
  const before = contentOf(files.path)
  await t.rejects(restore(files, tables, mode), { code: 'FST_SNAPSHOT_NOT_RESTORABLE', message })
  t.same(contentOf(files.path), before, 'nothing was changed')
}

for (const journalMode of ['wal', 'delete', 'truncate', 'persist'] as const) {
  t.test(`a table's rows become the snapshot's, seen by open connections, ${journalMode} mode`, async t => {
    const folder = testFolder(t)
    const [path, image] = [join(folder, 'app.db'), join(folder, 'image.db')]
    const application = makeDatabase(path, { rows: 100, journalMode })
    application.exec('CREATE TABLE other (a); INSERT INTO other VALUES (1)')
    if (journalMode === 'wal') application.pragma('wal_checkpoint(TRUNCATE)')
    copyFileSync(path, image)
    const count = application.prepare('SELECT count(*), max(text) FROM items').raw()
    const content = contentOf(image)['table items']
    application.exec("DELETE FROM items WHERE id < 50; UPDATE items SET text = 'zzz'; INSERT INTO other VALUES (2)")
    addRows(application, 7)
    const before = contentOf(path)
    const result = await restore({ folder, path, image }, ['ITEMS'])
    t.match(result, { tables: [{ name: 'items', isNew: false, deletedRows: 58, insertedRows: 100 }], staleIndexes: [], lockedMs: Number })
    t.equal((count.get() as unknown[])[0], 100)
    application.close()
    t.equal(contentOf(path)['table items'], content)
    t.equal(query(path, 'SELECT count(*) FROM other'), 2, 'other tables are as they were')
    t.same(contentOf(result.backup), before, 'the backup has the content from before')
    t.equal(integrityOf(path), 'ok')
    t.equal(journalModeOf(path) === 'wal', journalMode === 'wal')
    t.same(JSON.parse(readFileSync(join(folder, `${number}.intent`), 'utf8')), { backup: result.backup, tables: ['items'], mode: 'replace' })
  })
}

t.test('only rows whose key is not there are added', async t => {
  const files = makeTwo(t, 'CREATE TABLE k (a TEXT COLLATE NOCASE, b, note, twice AS (note * 2), PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE TABLE "in""t" (id INTEGER PRIMARY KEY, note)',
    "INSERT INTO k VALUES ('a', 1, 1), ('b', 1, 1), ('c', x'00', 1); INSERT INTO \"in\"\"t\" VALUES (1, 1), (2, 2)",
    "INSERT INTO k VALUES ('A', 1, 5), ('a', 2, 5); INSERT INTO \"in\"\"t\" VALUES (2, 5), (3, 5)")
  t.match((await restore(files, ['k', 'in"t'], 'missing-rows')).tables, [{ name: 'k', deletedRows: 0, insertedRows: 2 }, { name: 'in"t', insertedRows: 1 }])
  t.same(rows(files.path, 'SELECT a, hex(b), note FROM k'), [['A', '31', 5], ['a', '32', 5], ['b', '31', 1], ['c', '00', 1]])
  t.same(rows(files.path, 'SELECT * FROM "in""t"'), [[1, 1], [2, 5], [3, 5]])
})

t.test('of a table without a primary key, and of rows with NULL in theirs, as many are added as are missing', async t => {
  const files = makeTwo(t, 'CREATE TABLE log (a, b); CREATE TABLE k (a TEXT PRIMARY KEY, b)',
    "INSERT INTO log VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, NULL), (3, 1); INSERT INTO k VALUES (NULL, 1), (NULL, 1), ('a', 1), ('b', 1)",
    "INSERT INTO log VALUES (1, 'x'), (3, 1.0), (4, 4), (2, NULL); INSERT INTO k VALUES (NULL, 1), ('a', 2)")
  t.match((await restore(files, ['log', 'k'], 'missing-rows')).tables, [{ insertedRows: 3 }, { insertedRows: 2 }])
  t.same(rows(files.path, 'SELECT * FROM log ORDER BY a, typeof(b)'), [[1, 'x'], [1, 'x'], [1, 'x'], [2, null], [3, 1], [3, 1], [4, 4]])
  t.same(rows(files.path, 'SELECT a, b FROM k ORDER BY a'), [[null, 1], [null, 1], ['a', 2], ['b', 1]])
})

for (const mode of ['replace', 'missing-rows'] as const) {
  t.test(`a table that is missing is made again with its indexes and triggers, ${mode}`, async t => {
    const files = makeTwo(t, 'CREATE TABLE log (entry)', `
      CREATE TABLE lost (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE, b AS (a * 2) STORED); CREATE INDEX lost_b ON lost (b) WHERE b > 0;
      CREATE TRIGGER noted AFTER INSERT ON lost BEGIN INSERT INTO log VALUES (new.a); END;
      CREATE VIEW lost_view AS SELECT * FROM lost;
      INSERT INTO lost (a) VALUES (1), (2), (3); DELETE FROM lost WHERE a = 3; DELETE FROM log`, '')
    t.match((await restore(files, ['lost'], mode)).tables, [{ name: 'lost', isNew: true, deletedRows: 0, insertedRows: 2 }])
    t.same(rows(files.path, 'SELECT * FROM lost'), [[1, 1, 2], [2, 2, 4]])
    t.same(rows(files.path, 'SELECT * FROM log'), [], 'no trigger fired')
    t.same(rows(files.path, "SELECT name FROM sqlite_schema WHERE tbl_name = 'lost' AND sql IS NOT NULL ORDER BY name"), [['lost'], ['lost_b'], ['noted']])
    t.same(rows(files.path, 'SELECT seq FROM sqlite_sequence'), [[3]], 'a number that was given out is not given out again')
    t.equal(integrityOf(files.path), 'ok')
  })
}

t.test('no trigger fires, and all are there afterwards in their order', async t => {
  const files = makeTwo(t, `CREATE TABLE a (id INTEGER PRIMARY KEY, v); CREATE TABLE log (entry);
    CREATE TRIGGER first BEFORE DELETE ON a BEGIN INSERT INTO log VALUES ('deleted'); END;
    CREATE TRIGGER "se""cond" AFTER INSERT ON a BEGIN SELECT raise(ABORT, 'never'); END;
    CREATE TRIGGER third AFTER INSERT ON a WHEN new.v > 100 BEGIN INSERT INTO log VALUES ('inserted'); END`,
  'DROP TRIGGER "se""cond"; INSERT INTO a VALUES (1, 1), (2, 200)', 'DROP TRIGGER "se""cond"; INSERT INTO a VALUES (1, 2); CREATE TRIGGER "se""cond" AFTER INSERT ON a BEGIN SELECT raise(ABORT, \'never\'); END; DELETE FROM log')
  const triggers = rows(files.path, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid")
  await restore(files, ['a'])
  t.same(rows(files.path, 'SELECT * FROM a'), [[1, 1], [2, 200]])
  t.same(rows(files.path, 'SELECT * FROM log'), [])
  t.same(rows(files.path, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid"), triggers)
})

t.test('rows keep their rowid, whatever the columns are called', async t => {
  const make = (name: string, columns: string): string => `CREATE TABLE ${name} (${columns}); CREATE UNIQUE INDEX ${name}_i ON ${name} (a);`
  const both = make('plain', 'a') + make('one', 'a, rowid') + make('two', 'a, rowid, _rowid_') + make('three', 'a, rowid, _rowid_, oid')
  const names = ['plain', 'one', 'two', 'three']
  const files = makeTwo(t, both, names.map(name => `INSERT INTO ${name} (a) VALUES ('x'), ('y'), ('z'); DELETE FROM ${name} WHERE a IN ('x', 'y');`).join(''), '')
  await restore(files, names)
  t.same(['rowid', '_rowid_', 'oid'].map((alias, index) => rows(files.path, `SELECT ${alias}, a FROM ${String(names[index])}`)), [[[3, 'z']], [[3, 'z']], [[3, 'z']]])
  t.same(rows(files.path, 'SELECT a FROM three'), [['z']])
})

t.test('columns in another order are no other columns', async t => {
  const files = makeTwo(t, '', 'CREATE TABLE a (id INTEGER PRIMARY KEY, x INT, y TEXT); INSERT INTO a VALUES (1, 2, 3)', "CREATE TABLE a (y text DEFAULT 'd', ID INTEGER PRIMARY KEY, x int)")
  await restore(files, ['a'])
  t.same(rows(files.path, 'SELECT id, x, y FROM a'), [[1, 2, '3']])
})

t.test('numbers given out by AUTOINCREMENT in either database are not given out again', async t => {
  const both = 'CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE c (id INTEGER PRIMARY KEY AUTOINCREMENT)'
  const files = makeTwo(t, both, 'INSERT INTO a VALUES (1), (9); DELETE FROM a WHERE id = 9; INSERT INTO b VALUES (5); INSERT INTO c VALUES (9007199254740993); DELETE FROM c', 'INSERT INTO a VALUES (3); INSERT INTO b VALUES (20)')
  await restore(files, ['a', 'b', 'c'])
  t.same(rows(files.path, 'SELECT name, CAST(seq AS TEXT) FROM sqlite_sequence ORDER BY name'), [['a', '9'], ['b', '20'], ['c', '9007199254740993']])
})

t.test('full-text indexes of a restored table find its rows', async t => {
  const files = makeTwo(t, `CREATE TABLE pages (id INTEGER PRIMARY KEY, text);
    CREATE VIRTUAL TABLE search USING fts5 (text, content='pages', content_rowid=id); CREATE VIRTUAL TABLE alone USING fts5 (text);
    CREATE VIRTUAL TABLE old USING fts4 (content="pages", text)`,
  "INSERT INTO pages VALUES (1, 'hello')", "INSERT INTO pages VALUES (1, 'goodbye'); INSERT INTO search (search) VALUES ('rebuild')")
  t.same((await restore(files, ['pages'])).staleIndexes, [])
  t.same(rows(files.path, "SELECT rowid FROM search WHERE search MATCH 'hello'"), [[1]])
  t.same(rows(files.path, "SELECT rowid FROM old WHERE old MATCH 'hello'"), [[1]])
  t.same(rows(files.path, "SELECT rowid FROM search WHERE search MATCH 'goodbye'"), [])
})

t.test('a full-text index that cannot be made again is named', async t => {
  const files = makeTwo(t, "CREATE TABLE pages (id INTEGER PRIMARY KEY, text); CREATE VIRTUAL TABLE search USING fts5 (gone, content='pages')", "INSERT INTO pages VALUES (1, 'hello')", '')
  t.match((await restore(files, ['pages'])).staleIndexes, [{ name: 'search', reason: /gone/ }])
  t.same(rows(files.path, 'SELECT id FROM pages'), [[1]])
})

const FAMILY = 'CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE); CREATE TABLE child2 (a PRIMARY KEY, parent REFERENCES parent) WITHOUT ROWID'

t.test('a restore that breaks a foreign key is refused', async t => {
  const files = makeTwo(t, FAMILY, 'INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1), (2, 1)', 'INSERT INTO parent VALUES (2), (3); INSERT INTO child VALUES (5, 2); INSERT INTO child2 VALUES (1, 2), (2, 2)')
  await isRefused(t, files, ['child'], /2 of "child" would refer to rows of "parent"/)
  await isRefused(t, files, ['child'], /2 of "child"/, 'missing-rows')
  await isRefused(t, files, ['parent'], /1 of "child" .* 2 of "child2"/)
  await restore(files, ['parent'], 'missing-rows')
  await restore(files, ['child'])
  t.same(rows(files.path, 'SELECT * FROM child'), [[1, 1], [2, 1]])
})

t.test('tables that refer to each other are restored together, without a cascade', async t => {
  const files = makeTwo(t, FAMILY, 'INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 1)', 'INSERT INTO parent VALUES (2); INSERT INTO child VALUES (5, 2), (6, 2)')
  await restore(files, ['parent'])
  t.same(rows(files.path, 'SELECT * FROM child'), [[5, 2], [6, 2]], 'deleting parents did not delete children')
  await restore(files, ['child', 'parent', 'child'])
  t.same(rows(files.path, 'SELECT * FROM child'), [[1, 1]])
})

t.test('foreign keys that were broken before, or are wrong themselves, do not count', async t => {
  const files = makeTwo(t, FAMILY + '; CREATE TABLE wrong (a REFERENCES child (parent))', 'INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 9), (2, 1)', 'INSERT INTO child VALUES (1, 8), (7, 8); INSERT INTO child2 VALUES (1, 9); INSERT INTO parent VALUES (1)')
  await restore(files, ['child', 'parent'])
  t.same(rows(files.path, 'SELECT * FROM child'), [[1, 9], [2, 1]])
  const orphan = new Database(files.image)
  orphan.pragma('foreign_keys = OFF')
  orphan.exec('INSERT INTO child VALUES (3, 10)')
  orphan.close()
  await isRefused(t, files, ['child'], /rows 1 of "child"/)
})

t.test('a table made again is checked as well', async t => {
  const files = makeTwo(t, 'CREATE TABLE parent (id INTEGER PRIMARY KEY)', 'CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1)', '')
  await isRefused(t, files, ['child'], /1 of "child"/)
  await restore(files, ['child', 'parent'])
  t.same(rows(files.path, 'SELECT * FROM child'), [[1, 1]])
})

t.test('tables that cannot be restored are refused by name', async t => {
  const files = makeTwo(t, "CREATE VIRTUAL TABLE search USING fts5 (a); CREATE TABLE same (a); CREATE TABLE g (a, b AS (a)); INSERT INTO same VALUES ('here')",
    'CREATE TABLE changed (id INTEGER PRIMARY KEY, x INT, y, gone); CREATE TABLE is_view (a); CREATE TABLE indexed (a); CREATE INDEX taken ON indexed (a); CREATE TABLE r (a PRIMARY KEY, b); DROP TABLE g; CREATE TABLE g (a, b)',
    'CREATE TABLE changed (id INTEGER PRIMARY KEY, x TEXT, y PRIMARY_TYPE, added); CREATE VIEW is_view AS SELECT 1; CREATE TABLE taken (a); CREATE TABLE r (a PRIMARY KEY, b) WITHOUT ROWID')
  await isRefused(t, files, ['same', 'nothing'], /no table "nothing"/)
  await isRefused(t, files, ['sqlite_schema'], /no table "sqlite_schema"/)
  await isRefused(t, files, ['search'], /"search" is a virtual one/)
  await isRefused(t, files, ['search_data'], /"search_data" is part of a virtual one/)
  await isRefused(t, files, ['changed'], /column "gone" is only in the snapshot; column "added" is only in the live database; column "x" is INT in the snapshot, TEXT in the live database; column "y" is untyped in the snapshot, PRIMARY_TYPE/)
  await isRefused(t, files, ['is_view'], /needs the name "is_view", which the live database has for another view/)
  await isRefused(t, files, ['indexed'], /needs the name "taken", which the live database has for another table/)
  await isRefused(t, files, ['r'], /WITHOUT ROWID in the live database only/)
  await isRefused(t, files, ['g'], /column "b" is untyped in the snapshot, untyped, generated \(virtual\) in the live database/)
  t.notMatch(readdirSync(files.folder).join(), /backup|intent/, 'and no backup was made')
})

t.test('WITHOUT ROWID only in the snapshot is refused too', async t => {
  await isRefused(t, makeTwo(t, '', 'CREATE TABLE r (a PRIMARY KEY, b) WITHOUT ROWID', 'CREATE TABLE r (a PRIMARY KEY, b)'), ['r'], /WITHOUT ROWID in the snapshot only/)
})

t.test('rows that break a constraint, or need a function of the application, are refused', async t => {
  const files = makeTwo(t, 'CREATE TABLE u (id INTEGER PRIMARY KEY, mail UNIQUE); CREATE TABLE f (a)', "INSERT INTO u VALUES (1, 'a'); INSERT INTO f VALUES (1)", "INSERT INTO u VALUES (2, 'a')")
  await isRefused(t, files, ['u'], /UNIQUE constraint failed: u.mail/, 'missing-rows')
  const database = new Database(files.path)
  database.function('twice', { deterministic: true }, value => Number(value) * 2)
  database.exec('CREATE INDEX doubled ON f (twice(a))')
  database.close()
  await isRefused(t, files, ['f'], /twice/)
})

t.test('damage in the live database ends the restore, in the table and in those that refer to it', async t => {
  const files = makeTwo(t, FAMILY + '; CREATE TABLE big (id INTEGER PRIMARY KEY, a)', '', 'INSERT INTO parent VALUES (1)')
  const database = new Database(files.path)
  database.exec(`CREATE TEMP TABLE numbers AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n;
    INSERT INTO big SELECT i, 'first' FROM numbers`)
  for (let part = 1; part < 30; part++) database.exec(`INSERT INTO child SELECT i + ${part * 1000}, 1 FROM numbers; INSERT INTO big SELECT i + ${part * 1000}, 1 FROM numbers`)
  database.close()
  damageDatabase(files.path)
  for (const table of ['big', 'child', 'parent']) await t.rejects(restore(files, [table]), { code: 'FST_SNAPSHOT_DATABASE_DAMAGED' })
  t.equal(query(files.path, 'SELECT count(*) FROM parent'), 1)
})

t.test('another text encoding is refused', async t => {
  const files = makeTwo(t, 'CREATE TABLE items (a)', '', '')
  rmSync(files.image)
  makeDatabase(files.image, { encoding: 'UTF-16le' }).close()
  await isRefused(t, files, ['items'], /encoding/)
})

t.test('another page size is none of a table\'s concern', async t => {
  const files = makeTwo(t, 'CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT, data BLOB)', '', '')
  rmSync(files.image)
  makeDatabase(files.image, { pageSize: 1024, rows: 10 }).close()
  await restore(files, ['items'])
  t.equal(query(files.path, 'SELECT count(*) FROM items'), 10)
})

t.test('a database that is missing, locked, or whose snapshots another process works on', async t => {
  const files = makeTwo(t, 'CREATE TABLE a (b)', '', '')
  const input = { ...await prepare(files, ['a']), target: { path: files.path, lockTimeoutMs: 100 } }
  const lock = await LockFile.take(input.lockFile, 100)
  await t.rejects(runEngine('restore-tables', input), { code: 'FST_SNAPSHOT_BUSY' })
  lock.release()
  withRollbackJournal(files.path)
  const release = await holdLock(t, files.path)
  await t.rejects(runEngine('restore-tables', input), { code: 'FST_SNAPSHOT_DATABASE_LOCKED' })
  await release()
  await t.rejects(runEngine('restore-tables', { ...input, target: { path: `${files.path}2`, lockTimeoutMs: 100 } }), { code: 'FST_SNAPSHOT_DATABASE_MISSING' })
  await t.rejects(runEngine('restore-tables', { ...input, safetyCopy: { ...input.safetyCopy, partial: 'nowhere' } }), /nowhere/)
  t.same(contentOf(files.path), contentOf(files.image))
})

t.test('a database that is replaced while its lock is waited for is looked at anew', async t => {
  const files = makeTwo(t, 'CREATE TABLE a (b)', 'INSERT INTO a VALUES (1)', '')
  const other = join(files.folder, 'other.db')
  const input = await prepare(files, ['a'])
  const holder = new Database(files.path)
  holder.exec('BEGIN IMMEDIATE')
  const engine = new Engine('restore-tables', input, { priority: 'normal' })
  await until('the engine waits for the lock', () => enginesOf(process.pid).some(engine => descriptorsOf(engine, `${files.path}-shm`) > 1))
  const replacement = makeDatabase(other, { rows: 3 })
  replacement.exec('CREATE TABLE a (b)')
  replacement.close()
  for (const suffix of ['-wal', '-shm']) renameSync(files.path + suffix, `${files.path}.old${suffix}`)
  renameSync(other, files.path)
  holder.exec('ROLLBACK')
  holder.close()
  t.match((await engine.result).tables, [{ name: 'a', insertedRows: 1 }])
  t.equal(query(files.path, 'SELECT count(*) FROM items'), 3, 'the new file has the table, restored')
  t.equal(query(files.path, 'SELECT count(*) FROM a'), 1)
  t.equal(query(input.safetyCopy.path, 'SELECT count(*) FROM items'), 3, 'and the backup is of the new file')
})

for (const journalMode of ['wal', 'delete'] as const) {
  t.test(`beside a writer and a reader no acknowledged commit is lost, and no mixture is seen, ${journalMode} mode`, async t => {
    const folder = testFolder(t)
    const [path, image] = [join(folder, 'app.db'), join(folder, 'image.db')]
    makeBank(path, { rows: 20_000, journalMode })
    copyFileSync(path, image)
    new Database(path).exec('INSERT INTO marker VALUES (1)').close()
    const reader = await BackgroundScript.start<{ errors: string[], wrong: number, markers: number[] }>(t, 'read-forever', path, '60000')
    const bank = await BackgroundScript.start<{ acknowledged: number, errors: number }>(t, 'transfer-forever', path, journalMode === 'wal' ? '0' : '5')
    const { backup } = await restore({ folder, path, image }, ['left_account', 'right_account', 'commits', 'marker', 'items'])
    const { acknowledged, errors } = await bank.stop()
    const seen = await reader.stop()
    t.equal(errors, 0)
    t.match(seen, { errors: [], wrong: 0, markers: [1, 0] })
    const [kept, now] = [commitsIn(backup), commitsIn(path)]
    let lost = 0
    for (let commit = 1; commit <= acknowledged; commit++) if (!kept.has(commit) && !now.has(commit)) lost++
    t.equal(lost, 0, `of ${acknowledged}`)
    t.equal(integrityOf(path), 'ok')
    t.ok(isBalanced(path) && isBalanced(backup))
  })
}

t.test('an engine that is killed in the middle leaves everything as it was', async t => {
  const folder = testFolder(t)
  const [path, image] = [join(folder, 'app.db'), join(folder, 'image.db')]
  makeDatabase(path, { rows: 100_000 }).close()
  copyFileSync(path, image)
  new Database(path).exec('DELETE FROM items WHERE id % 3 = 0').close()
  const before = contentOf(path)
  const input = await prepare({ folder, path, image }, ['items'])
  const engine = new Engine('restore-tables', input, { priority: 'normal' })
  await until('it has begun', () => existsSync(input.intentFile))
  engine.kill(new Error('killed'))
  await t.rejects(engine.result, /killed/)
  t.same(contentOf(path), before)
  t.same(contentOf(input.safetyCopy.path), before)
  t.equal(integrityOf(path), 'ok')
})

t.test('whatever the rows: replaced ones are the snapshot\'s, missing ones are added, none is lost', async t => {
  const value = fc.constantFrom(null, 0n, 1n, 2n, 1.5, 'a', 'b', Buffer.from('a'))
  const some = fc.array(fc.tuple(value, value), { maxLength: 8 })
  const folder = testFolder(t)
  let count = 0
  await fc.assert(fc.asyncProperty(some, some, fc.constantFrom('a, b', 'a INTEGER PRIMARY KEY, b', 'a, b, PRIMARY KEY (a)', 'a, b, PRIMARY KEY (b, a)'), async (snapshot, live, columns) => {
    const make = (rows: unknown[][]): string => {
      const path = join(folder, `${++count}.db`)
      const database = new Database(path)
      database.exec(`CREATE TABLE t (${columns})`)
      const insert = database.prepare('INSERT OR IGNORE INTO t VALUES (?, ?)')
      for (const row of rows) try { insert.run(row) } catch {} // text for an INTEGER PRIMARY KEY
      database.close()
      return path
    }
    const files = { folder, image: make(snapshot), path: make(live) }
    const all = (path: string): string[] => rows(path, 'SELECT typeof(a), quote(a), typeof(b), quote(b) FROM t').map(String).sort()
    const before = all(files.path)
    await restore(files, ['t'], 'missing-rows')
    const after = all(files.path)
    const rest = [...after]
    t.ok(before.every(row => rest.splice(rest.indexOf(row), 1)[0] === row), 'every row that was there still is')
    const added = await runEngine('diff-tables', { target: { path: files.path, lockTimeoutMs: 100 }, image: files.image, name: 'image' })
    t.equal(added.tables[0]?.onlyInSnapshot, 0)
    await restore(files, ['t'])
    t.same(all(files.path), all(files.image))
  }), { numRuns: 12 })
})

t.test('what a schema says of conflicts takes no row away', async t => {
  const replacing = makeTwo(t, 'CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE ON CONFLICT REPLACE, note TEXT)', "INSERT INTO users VALUES (1, 'a@x', 'old')", "INSERT INTO users VALUES (2, 'a@x', 'new')")
  await isRefused(t, replacing, ['users'], /UNIQUE constraint failed/, 'missing-rows')
  const ignoring = makeTwo(t, 'CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)', "INSERT INTO users VALUES (1, 'a@x'), (2, 'A@X')", 'DROP TABLE users; CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE ON CONFLICT IGNORE)')
  await isRefused(t, ignoring, ['users'], /UNIQUE constraint failed/)
})
