import Database from 'better-sqlite3'
import fc from 'fast-check'
import { copyFileSync, existsSync, readFileSync, readSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runEngine } from '../../../src/engine/engine.ts'
import { salvage } from '../../../src/engine/salvage/salvage.ts'
import { changeSchema } from '../../helpers/damage.ts'
import { makeDatabase, type DatabaseOptions } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'
import type { SalvageReport } from '../../../src/engine/salvage/report.ts'

const MINUTE = 60_000

/** A database with what SQLite can store. */
function makeVaried (path: string, options: DatabaseOptions = {}): void {
  const database = makeDatabase(path, { journalMode: 'delete', rows: 300, ...options })
  database.exec(`
    CREATE TABLE keyed (a TEXT COLLATE NOCASE, b INT, v, twice AS (b * 2), thrice AS (b * 3) STORED, PRIMARY KEY (b DESC, a)) WITHOUT ROWID;
    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v UNIQUE);
    CREATE TABLE plain (r REAL, n NUMERIC, t TEXT, x);
    CREATE TABLE grown (id INTEGER PRIMARY KEY, a);
    CREATE TABLE "odd ""name" (rowid, v);
    INSERT INTO grown VALUES (-9223372036854775808, 1), (-1, 2), (0, 3), (9223372036854775807, 4);
    ALTER TABLE grown ADD COLUMN later TEXT DEFAULT 'by default';
    ALTER TABLE grown ADD COLUMN latest AS (a + 1);
    INSERT INTO grown (id, a, later) VALUES (5, 5, NULL), (100000000000, 6, 'six'), (300000000000000000, 7, 7);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO keyed (a, b, v) SELECT 'name ' || i, i % 20, CASE WHEN i % 50 = 0 THEN zeroblob(i * 40) ELSE i END FROM n;
    INSERT INTO counted (v) SELECT id FROM items; DELETE FROM counted WHERE id > 250;
    INSERT INTO plain VALUES (1, 1.0, 1, 1), (1, 1.5, 'x', 1.0), (1e300, 9223372036854775807, 'a' || char(0) || 'b', -1.5), (NULL, NULL, NULL, x'00'), (0, 1, '', zeroblob(0)), (128, 32768, 8388608, 2147483648), (0, 0, 0, 140737488355328);
    INSERT INTO plain (x) VALUES (CAST(x'ff41' AS TEXT)), (zeroblob(20000)), (replace(hex(zeroblob(30000)), '00', 'long ä'));
    INSERT INTO "odd ""name" VALUES ('a', 'b');
    CREATE VIEW seen AS SELECT * FROM plain;
    CREATE TRIGGER never AFTER INSERT ON plain BEGIN SELECT raise(ABORT, 'never'); END;
    CREATE INDEX plain_x ON plain (x) WHERE x IS NOT NULL;
    ANALYZE;
    PRAGMA user_version = 7; PRAGMA application_id = -5`)
  database.close()
}

/** What contentOf says, with the rows in any order, and without what is made anew. */
function contentIn (path: string): Record<string, unknown> {
  const database = new Database(path)
  try {
    const objects = database.prepare("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name").raw().all() as string[][]
    const rows = (name: string): unknown => {
      const columns = database.prepare('SELECT name FROM pragma_table_xinfo(?)').pluck().all(name) as string[]
      return database.prepare(`SELECT ${columns.map(column => `typeof("${column}"), hex(CAST("${column}" AS BLOB)), CAST("${column}" AS TEXT)`).join()} FROM "${name.replaceAll('"', '""')}"`).raw().all().map(String).sort()
    }
    return Object.fromEntries([['objects', objects], ...objects.filter(([type]) => type === 'table').map(([, name]) => [name, rows(String(name))])])
  } finally {
    database.close()
  }
}

/** Salvages a file into another one; the file and what is beside it stay as they are, and nothing else is left. */
async function salvaged (t: Test, file: string): Promise<SalvageReport & { path: string }> {
  const path = `${file}.salvaged`
  const files = ['', '-wal', '-journal'].filter(suffix => existsSync(file + suffix))
  const before = files.map(suffix => readFileSync(file + suffix))
  const report = await salvage({ file, destination: path, timeLimitMs: MINUTE })
  t.ok(files.every((suffix, index) => readFileSync(file + suffix).equals(before[index] as Buffer)), 'the damaged file is as it was')
  t.notMatch(readdirSync(join(file, '..')).join(), /scratch|partial/)
  t.same(report.integrity.errors, [])
  return { ...report, path }
}

const tableIn = ({ tables }: SalvageReport, name: string): SalvageReport['tables'][number] => tables.find(table => table.name === name) as SalvageReport['tables'][number]

/** Changes the bytes of a file. */
function change (file: string, act: (bytes: Buffer) => void): void {
  const bytes = readFileSync(file)
  act(bytes)
  writeFileSync(file, bytes)
}

/** Pages of a table or index in their order, with how many cells they have. */
function pagesOf (file: string, name: string, type = 'leaf'): Array<{ pageno: number, ncell: number }> {
  const database = new Database(file)
  try {
    return database.prepare('SELECT pageno, ncell FROM dbstat WHERE name = ? AND pagetype = ? ORDER BY path').all(name, type) as Array<{ pageno: number, ncell: number }>
  } finally {
    database.close()
  }
}

const zero = (file: string, page: number, pageSize = 4096): void => { change(file, bytes => bytes.fill(0, (page - 1) * pageSize, page * pageSize)) }

for (const options of [{}, { pageSize: 512 }, { pageSize: 65536 }, { encoding: 'UTF-16le' }, { encoding: 'UTF-16be', pageSize: 1024 }, { autoVacuum: 'full' }] as DatabaseOptions[]) {
  t.test(`all of a sound database is copied: ${JSON.stringify(options)}`, async t => {
    const file = join(testFolder(t), 'app.db')
    makeVaried(file, options)
    const { path, ...report } = await salvaged(t, file)
    t.same(contentIn(path), contentIn(file))
    t.match(report, { repaired: [], missingBytes: 0, encoding: options.encoding ?? 'UTF-8', lostAndFound: null, problems: [], isComplete: true })
    t.ok(report.tables.every(({ strayRows, refusedRows, unreadableRows, unreadablePages }) => strayRows + refusedRows + unreadableRows + unreadablePages === 0))
    const database = new Database(path)
    t.equal(database.pragma('user_version', { simple: true }), 7)
    t.same(database.prepare('SELECT seq FROM sqlite_sequence').pluck().all(), [300])
    t.equal(database.pragma('application_id', { simple: true }), -5)
    database.close()
  })
}

t.test('a page that is lost takes its rows with it, and no others', async t => {
  const file = join(testFolder(t), 'app.db')
  makeDatabase(file, { journalMode: 'delete', rows: 3000 }).close()
  const all = contentIn(file).items as string[]
  const [first, second] = [pagesOf(file, 'items')[3], pagesOf(file, 'items')[9]] as Array<{ pageno: number, ncell: number }>
  for (const page of [first, second]) zero(file, page?.pageno as number)
  const report = await runEngine('salvage', { file, destination: `${file}.new`, timeLimitMs: MINUTE })
  const rows = contentIn(`${file}.new`).items as string[]
  const items = tableIn(report, 'items')
  t.equal(rows.length, all.length - Number(first?.ncell) - Number(second?.ncell))
  t.ok(rows.every(row => all.includes(row)))
  t.match(items, { rows: rows.length, strayRows: 0, unreadablePages: 2, unreadable: [{ page: first?.pageno, reason: /no page of a table/ }, { page: second?.pageno }] })
  const database = new Database(`${file}.new`)
  const lost = items.unreadable.map(({ fromRowid, toRowid }) => Number(toRowid) - Number(fromRowid) + 1)
  t.same(lost, [first?.ncell, second?.ncell], 'the ranges are exactly what is missing')
  t.equal(database.prepare('SELECT count(*) FROM items WHERE id BETWEEN ? AND ?').pluck().get(items.unreadable[0]?.fromRowid, items.unreadable[0]?.toRowid), 0)
  t.equal(database.prepare('SELECT count(*) FROM items INDEXED BY items_text WHERE text IS NOT NULL').pluck().get(), rows.length, 'the index is there')
  database.close()
})

t.test('the pages below one that is lost are found without it', async t => {
  const file = join(testFolder(t), 'app.db')
  makeVaried(file)
  const before = contentIn(file)
  const roots = new Database(file)
  const lost = roots.prepare("SELECT name, rootpage FROM sqlite_schema WHERE name IN ('items', 'keyed', 'items_text', 'counted', 'sqlite_autoindex_counted_1')").raw().all() as Array<[string, number]>
  roots.close()
  for (const [name, page] of lost) if (pagesOf(file, name, 'internal').length > 0) zero(file, page)
  const report = await salvaged(t, file)
  t.same((contentIn(report.path)).items, before.items)
  t.ok(tableIn(report, 'items').strayRows === 300)
  t.match(tableIn(report, 'items').unreadable, [{ fromRowid: null, toRowid: null }])
  t.ok(tableIn(report, 'keyed').strayRows > 300, 'of a table without a rowid, too, but for the rows that were on the lost page itself')
})

t.test('pages that have changed places are put where they belong', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = makeDatabase(file, { journalMode: 'delete', rows: 1000 })
  database.exec("CREATE TABLE other (id INTEGER PRIMARY KEY, a, b, c, d); INSERT INTO other SELECT id + 5000, 'a', 'b', text, id FROM items; CREATE TABLE third (x, y); INSERT INTO third SELECT id, text FROM items")
  database.close()
  const before = contentIn(file)
  change(file, bytes => {
    const swap = (one: number, two: number): void => {
      const [a, b] = [one, two].map(page => Buffer.from(bytes.subarray((page - 1) * 4096, page * 4096))) as [Buffer, Buffer]
      b.copy(bytes, (one - 1) * 4096)
      a.copy(bytes, (two - 1) * 4096)
    }
    const page = (name: string, index: number): number => pagesOf(file, name)[index]?.pageno as number
    swap(page('items', 2), page('other', 3)) // other rowids
    swap(page('items', 5), page('third', 2)) // other columns, rowids that overlap
  })
  const report = await salvaged(t, file)
  t.same(contentIn(report.path), before)
  t.equal(report.lostAndFound, null)
})

t.test('a file that was cut keeps what is before the cut', async t => {
  const file = join(testFolder(t), 'app.db')
  makeDatabase(file, { journalMode: 'delete', rows: 3000 }).close()
  const all = contentIn(file).items as string[]
  truncateSync(file, 4096 * 30 + 3000)
  const report = await salvaged(t, file)
  const rows = contentIn(report.path).items as string[]
  t.ok(rows.length > 200 && rows.every(row => all.includes(row)))
  t.match(tableIn(report, 'items').unreadable.at(-1), { reason: 'the file ends before it' })
})

for (const [what, repaired, damage] of [
  ['the magic', /first 16 bytes/, (bytes: Buffer) => bytes.write('nonsense', 0)],
  ['another page size', /page size, which is 1024/, (bytes: Buffer) => bytes.writeUInt16BE(4096, 16)],
  ['an impossible page size', /page size, which is 1024/, (bytes: Buffer) => bytes.writeUInt16BE(999, 16)],
  ['versions', /versions/, (bytes: Buffer) => bytes.fill(9, 18, 20)],
  ['reserved bytes', /reserved/, (bytes: Buffer) => bytes.fill(200, 20, 21)],
  ['a few reserved bytes', /reserved/, (bytes: Buffer) => bytes.fill(16, 20, 21)],
  ['impossibly many reserved bytes', /reserved/, (bytes: Buffer) => { bytes.fill(255, 20, 21) }],
  ['fractions', /fractions/, (bytes: Buffer) => bytes.fill(0, 21, 24)],
  ['all of it', /first 16 bytes/, (bytes: Buffer) => bytes.fill(0, 0, 100)]
] as const) {
  t.test(`a damaged header is repaired in a copy: ${what}`, async t => {
    const file = join(testFolder(t), 'app.db')
    makeVaried(file, { pageSize: 1024, encoding: 'UTF-16le' })
    const before = contentIn(file)
    change(file, damage)
    const report = await salvaged(t, file)
    t.same(contentIn(report.path), before)
    t.match(report.repaired.join(), repaired)
  })
}

t.test('an unknown text encoding in the header does not matter', async t => {
  const file = join(testFolder(t), 'app.db')
  makeVaried(file, { encoding: 'UTF-16be' })
  const before = contentIn(file)
  change(file, bytes => { bytes.writeUInt32BE(1, 56) })
  t.same(contentIn((await salvaged(t, file)).path), before)
})

t.test('what a write-ahead log holds counts, and says the page size', async t => {
  const folder = testFolder(t)
  const [path, file] = [join(folder, 'app.db'), join(folder, 'copy.db')]
  const database = makeDatabase(path, { rows: 500, pageSize: 2048 })
  const before = contentIn(path)
  copyFileSync(path, file)
  copyFileSync(`${path}-wal`, `${file}-wal`)
  database.close()
  change(file, bytes => { bytes.fill(0) })
  const report = await salvaged(t, file)
  t.same(contentIn(report.path), before)
})

t.test('a log that is damaged from some frame on counts up to there', async t => {
  const folder = testFolder(t)
  const [path, file] = [join(folder, 'app.db'), join(folder, 'copy.db')]
  const database = makeDatabase(path, { rows: 500 })
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.exec('DELETE FROM items WHERE id <= 10')
  const log = readFileSync(`${path}-wal`).length
  database.exec('DELETE FROM items WHERE id <= 20')
  copyFileSync(path, file)
  copyFileSync(`${path}-wal`, `${file}-wal`)
  database.close()
  change(`${file}-wal`, bytes => { bytes.fill(1, log + 50, log + 60) })
  t.equal(tableIn(await salvaged(t, file), 'items').rows, 490)
})

t.test('a hot journal is rolled back in the copy', async t => {
  const folder = testFolder(t)
  const [path, file] = [join(folder, 'app.db'), join(folder, 'copy.db')]
  const database = makeDatabase(path, { journalMode: 'delete', rows: 5000 })
  const before = contentIn(path)
  database.pragma('cache_size = 5')
  database.exec("BEGIN; UPDATE items SET text = 'unfinished'")
  copyFileSync(path, file)
  copyFileSync(`${path}-journal`, `${file}-journal`)
  database.close()
  t.same(contentIn((await salvaged(t, file)).path), before)
})

t.test('what is beside the file is reported where SQLite cannot use it', async t => {
  const file = join(testFolder(t), 'app.db')
  makeDatabase(file, { journalMode: 'delete', rows: 500 }).close()
  change(file, bytes => { bytes.fill(0xff, 100, 120) })
  writeFileSync(`${file}-wal`, 'no log')
  const report = await salvaged(t, file)
  t.match(report.problems[0], /log or journal/)
})

t.test('a lost schema leaves the rows, without the names of their tables', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = makeDatabase(file, { journalMode: 'delete', rows: 500 })
  database.exec('CREATE TABLE w (a PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO w SELECT id, text FROM items; INSERT INTO items (text, data) VALUES (\'big\', zeroblob(20000))')
  database.close()
  zero(file, 1)
  const report = await salvaged(t, file)
  t.match(report, { encoding: null, tables: [], problems: [/page 1 of the schema/], lostAndFound: { table: 'lost_and_found' } })
  const made = new Database(report.path)
  t.equal(made.prepare('SELECT count(DISTINCT id) FROM lost_and_found WHERE typeof(c1) = ? AND id IS NOT NULL').pluck().get('text'), 501)
  t.equal(made.prepare("SELECT length(c2) FROM lost_and_found WHERE c1 = 'big'").pluck().get(), 20_000)
  t.ok((made.prepare('SELECT count(DISTINCT c0) FROM lost_and_found WHERE id IS NULL').pluck().get() as number) >= 490)
  made.close()
})

t.test('of a schema of many pages, those that are left are found', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = new Database(file)
  for (let number = 0; number < 120; number++) database.exec(`CREATE TABLE table_with_a_long_name_${number} (id INTEGER PRIMARY KEY, column_with_a_long_name_${number}); INSERT INTO table_with_a_long_name_${number} VALUES (${number}, ${number})`)
  database.exec(`CREATE VIEW long AS SELECT '${'x'.repeat(9000)}' AS x`)
  database.close()
  const before = contentIn(file)
  zero(file, 1)
  const report = await salvaged(t, file)
  t.same(contentIn(report.path), before, 'the first page had only dividers')
})

t.test('circles in damaged trees end', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = makeDatabase(file, { journalMode: 'delete', rows: 2000 })
  database.exec("INSERT INTO items (text, data) VALUES ('big', zeroblob(50000)), ('big', zeroblob(60000)); CREATE TABLE w (a PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO w SELECT id, text FROM items; CREATE INDEX later ON w (b)")
  database.close()
  const overflow = pagesOf(file, 'items', 'overflow')
  const [items] = pagesOf(file, 'items', 'internal')
  const [w] = pagesOf(file, 'w', 'internal')
  const other = new Database(file)
  const root = other.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'later'").pluck().get() as number
  other.close()
  change(file, bytes => {
    const start = (page: { pageno: number } | undefined): number => (Number(page?.pageno) - 1) * 4096
    for (const page of [items, w]) {
      const cell = (index: number): number => start(page) + bytes.readUInt16BE(start(page) + 12 + index * 2)
      bytes.writeUInt32BE(Number(page?.pageno), cell(2)) // a page that leads to itself
      bytes.writeUInt32BE(bytes.readUInt32BE(cell(4)), cell(3)) // and twice to another
      bytes.writeUInt32BE(4_000_000_000, cell(5))
      bytes.writeUInt32BE(root, cell(6)) // and to the beginning of another tree
    }
    bytes.writeUInt32BE(Number(overflow[0]?.pageno), start(overflow[3])) // a row that never ends
  })
  const report = await salvaged(t, file)
  t.match(tableIn(report, 'items'), { unreadableRows: 1, unreadablePages: 4 })
  t.equal(tableIn(report, 'items').rows, 2001, 'all other rows are found')
  t.equal(tableIn(report, 'w').rows, 2002)
})

for (const encoding of ['UTF-8', 'UTF-16le', 'UTF-16be'] as const) {
  t.test(`rows that a constraint refuses are kept elsewhere, ${encoding}`, async t => {
    const file = join(testFolder(t), 'app.db')
    const database = new Database(file)
    database.pragma(`encoding = '${encoding}'`)
    database.exec("CREATE TABLE a (id INTEGER PRIMARY KEY, b); INSERT INTO a VALUES (1, 1), (2, NULL), (3, 'ä'); CREATE TABLE lost_and_found (x); CREATE TABLE \"brökén\" (id, y); INSERT INTO \"brökén\" VALUES (1, 'ü')")
    changeSchema(database, "UPDATE sqlite_schema SET sql = replace(sql, 'b)', 'b NOT NULL)') WHERE name = 'a'; UPDATE sqlite_schema SET sql = 'DROP TABLE a' WHERE name = 'brökén'")
    const report = await salvaged(t, file)
    t.match(tableIn(report, 'a'), { rows: 2, refusedRows: 1, refusals: ['NOT NULL constraint failed: a.b'] })
    t.match(tableIn(report, 'brökén'), { rows: 0, refusedRows: 1 })
    t.match(report.problems, ['table "brökén": its statement is damaged'])
    t.same(report.lostAndFound, { table: 'lost_and_found_2', rows: 2 })
    const made = new Database(report.path)
    t.same(made.prepare('SELECT "table", page, reason, id, c0, c1 FROM lost_and_found_2').raw().all(), [['a', 2, 'NOT NULL constraint failed: a.b', 2, null, null], ['brökén', 4, 'its table could not be made', 1, 1, 'ü']])
    made.close()
  })
}

t.test('a table that cannot be made keeps its rows elsewhere, without a rowid too', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = new Database(file)
  database.exec(`CREATE TABLE w (a PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO w VALUES (1, 2), (3, 4); CREATE TABLE n (a INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO n VALUES (1);
    CREATE TABLE wide (${Array.from({ length: 1950 }, (_, index) => `c${index}`).join()}); INSERT INTO wide (c0, c1949) VALUES (1, 2)`)
  changeSchema(database, "UPDATE sqlite_schema SET sql = replace(sql, 'a ', 'a COLLATE ours ') WHERE name IN ('w', 'n'); UPDATE sqlite_schema SET sql = 'gone' WHERE name = 'wide'")
  const report = await salvaged(t, file)
  t.equal(report.lostAndFound?.rows, 4)
  const made = new Database(report.path)
  t.same(made.prepare('SELECT "table", id, c0, c1 FROM lost_and_found ORDER BY 1, 3').raw().all(), [['n', 1, null, null], ['w', null, 1, 2], ['w', null, 3, 4], ['wide', 1, 1, null]])
  made.close()
})

t.test('numbers given out by AUTOINCREMENT are not given out again, though all rows are lost', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = new Database(file)
  database.exec('CREATE TABLE n (a INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO n VALUES (41); CREATE TABLE m (a INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO m VALUES (7)')
  database.close()
  zero(file, pagesOf(file, 'n')[0]?.pageno as number)
  const made = new Database((await salvaged(t, file)).path)
  t.same(made.prepare('SELECT name, seq FROM sqlite_sequence ORDER BY name').raw().all(), [['m', 7], ['n', 41]])
  made.close()
})

t.test('rows of the schema that cannot be such are left out', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = makeDatabase(file, { journalMode: 'delete', rows: 5 })
  changeSchema(database, "INSERT INTO sqlite_schema VALUES ('table', NULL, 'a', 2, ''), ('table', 'b', 'b', 2, x'05'), ('table', 'c', 'c', 'two', ''), ('thing', 'd', 'd', 2, ''), ('table', 'items', 'items', 2, 'again'), ('table', 'nosql', 'nosql', 3, NULL), ('table', 'noroot', 'noroot', NULL, NULL)")
  const report = await salvaged(t, file)
  t.match(report.problems, ['4 rows of the schema cannot be read'])
  t.equal(tableIn(report, 'items').rows, 5)
})

t.test('a row that goes on beyond the cut is not made up', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = new Database(file)
  database.exec('CREATE TABLE big (id INTEGER PRIMARY KEY, a); INSERT INTO big VALUES (1, 1), (2, zeroblob(9000))')
  database.close()
  truncateSync(file, readFileSync(file).length - 2000)
  t.match(tableIn(await salvaged(t, file), 'big'), { rows: 1, unreadableRows: 1 })
})

t.test('rows that are damaged are left out, one by one', async t => {
  const file = join(testFolder(t), 'app.db')
  makeDatabase(file, { journalMode: 'delete', rows: 500 }).close()
  change(file, bytes => {
    const start = (Number(pagesOf(file, 'items')[2]?.pageno) - 1) * 4096
    bytes.writeUInt16BE(4095, start + 8) // a pointer to the last byte, where a number begins that has no end
    bytes.writeUInt8(0xff, start + 4095)
    Buffer.from('ffffffff7f01', 'hex').copy(bytes, start + bytes.readUInt16BE(start + 14)) // a row longer than the file
    bytes.writeUInt16BE(2, start + 10) // and one into the page's own header
    bytes.writeUInt8(60, start + bytes.readUInt16BE(start + 12) + 3) // and a row whose record begins with a wrong length
  })
  t.match(tableIn(await salvaged(t, file), 'items'), { unreadablePages: 0 })
})

t.test('reserved bytes that leave too little of a page are none', async t => {
  const file = join(testFolder(t), 'app.db')
  makeVaried(file, { pageSize: 512 })
  const before = contentIn(file)
  change(file, bytes => { bytes.fill(255, 20, 21) })
  t.same(contentIn((await salvaged(t, file)).path), before)
})

t.test('dividers that are damaged are not followed', async t => {
  const file = join(testFolder(t), 'app.db')
  makeDatabase(file, { journalMode: 'delete', rows: 2000 }).close()
  const before = contentIn(file)
  for (const [what, damage] of [
    ['order', (page: Buffer) => { page.copyWithin(12, 14, 16) }],
    ['pointers', (page: Buffer) => { page.fill(0xff, 12, 14) }],
    ['count', (page: Buffer) => { page.fill(0xff, 3, 5) }]
  ] as const) {
    const copy = `${file}.${what}`
    copyFileSync(file, copy)
    change(copy, bytes => { damage(bytes.subarray((Number(pagesOf(file, 'items', 'internal')[0]?.pageno) - 1) * 4096)) })
    const report = await salvaged(t, copy)
    t.same(contentIn(report.path), before, what)
    t.equal(tableIn(report, 'items').strayRows, 2000)
  }
})

t.test('a page that could be of two tables is not guessed to be of one', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = new Database(file)
  for (const name of ['one', 'two']) database.exec(`CREATE TABLE ${name} (a PRIMARY KEY, b) WITHOUT ROWID; CREATE TABLE t_${name} (a, b); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO ${name} SELECT i, '${name}' FROM n; INSERT INTO t_${name} SELECT * FROM ${name}`)
  database.close()
  const inner = ['one', 'two', 't_one', 't_two'].map(name => pagesOf(file, name, 'internal')[0] as { pageno: number, ncell: number })
  for (const { pageno } of inner) zero(file, pageno)
  const report = await salvaged(t, file)
  t.equal(report.lostAndFound?.rows, 8000 - Number(inner[0]?.ncell) - Number(inner[1]?.ncell))
  const made = new Database(report.path)
  t.equal(made.prepare('SELECT count(DISTINCT c0 || c1) FROM lost_and_found').pluck().get(), 4000)
  made.close()
})

t.test('functions and collations that only the application has', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = new Database(file)
  database.function('twice', { deterministic: true }, value => Number(value) * 2)
  database.exec('CREATE TABLE f (a CHECK (twice(a) > 0), b AS (twice(a)) STORED); CREATE TABLE c (a); CREATE INDEX doubled ON f (twice(a)); CREATE INDEX plain ON f (a); INSERT INTO f VALUES (1), (2); INSERT INTO c VALUES (3)')
  changeSchema(database, "UPDATE sqlite_schema SET sql = 'CREATE TABLE c (a COLLATE ours)' WHERE name = 'c'")
  const report = await salvaged(t, file)
  t.match(tableIn(report, 'f'), { rows: 2, refusedRows: 0 })
  t.match(report.problems, [/table "f": .* computed anew.* twice/, /table "c": no such collation sequence: ours/, /index "doubled": .* twice/])
  t.equal(report.lostAndFound?.rows, 1)
})

t.test('virtual tables come along, rebuilt or left out where they are not whole', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = new Database(file)
  database.pragma('page_size = 512')
  database.exec(`CREATE VIRTUAL TABLE search USING fts5 (text); CREATE VIRTUAL TABLE places USING rtree (id, a, b);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO search SELECT 'number ' || i || ' word' || i FROM n;
    INSERT INTO places SELECT rowid, rowid, rowid + 1 FROM search`)
  database.close()
  const before = contentIn(file)
  const whole = await salvaged(t, file)
  t.same(contentIn(whole.path), before)

  const noIndex = `${file}2`
  copyFileSync(file, noIndex)
  zero(noIndex, pagesOf(file, 'search_data').at(-1)?.pageno as number, 512)
  const rebuilt = await salvaged(t, noIndex)
  const made = new Database(rebuilt.path)
  t.same(made.prepare("SELECT rowid FROM search WHERE search MATCH 'word77'").pluck().all(), [77])
  made.close()
  t.same(rebuilt.problems, [])

  const noPlaces = `${file}3`
  copyFileSync(file, noPlaces)
  zero(noPlaces, pagesOf(file, 'places_parent')[0]?.pageno as number, 512)
  const without = await salvaged(t, noPlaces)
  t.match(without.problems.join(), /virtual table "places" was left out/)
})

t.test('deleted rows do not come back', async t => {
  const file = join(testFolder(t), 'app.db')
  const database = makeDatabase(file, { journalMode: 'delete', rows: 3000 })
  database.exec('CREATE TABLE gone (a, b); INSERT INTO gone SELECT id, text FROM items; DROP TABLE gone; DELETE FROM items WHERE id > 1000')
  database.close()
  const report = await salvaged(t, file)
  t.equal(tableIn(report, 'items').rows, 1000)
  t.equal(report.lostAndFound, null)
  change(file, bytes => { bytes.writeUInt32BE(bytes.readUInt32BE(32), (bytes.readUInt32BE(32) - 1) * 4096) })
  t.equal(tableIn(await salvage({ file, destination: `${file}.2`, timeLimitMs: MINUTE }), 'items').rows, 1000, 'nor does a circle in the list of unused pages hang')
})

for (const isSchemaWhole of [true, false]) {
  t.test(`pages of an index that is lost are no rows, with ${isSchemaWhole ? 'all' : 'a part'} of the schema`, async t => {
    const file = join(testFolder(t), 'app.db')
    makeDatabase(file, { journalMode: 'delete', rows: 3000 }).close()
    const before = contentIn(file)
    zero(file, pagesOf(file, 'items_text', 'internal')[0]?.pageno as number)
    if (!isSchemaWhole) {
      const database = new Database(file)
      changeSchema(database, "INSERT INTO sqlite_schema VALUES ('thing', 'd', 'd', 0, '')")
    }
    const report = await salvaged(t, file)
    t.same(contentIn(report.path), before)
    t.equal(report.lostAndFound, null)
  })
}

t.test('a page that nothing leads to and that is mostly noise is left out', async t => {
  const file = join(testFolder(t), 'app.db')
  makeDatabase(file, { journalMode: 'delete', rows: 500 }).close()
  const [leaf] = pagesOf(file, 'items').slice(3) as [{ pageno: number, ncell: number }]
  zero(file, pagesOf(file, 'items', 'internal')[0]?.pageno as number)
  change(file, bytes => {
    const start = (leaf.pageno - 1) * 4096
    for (let cell = 1; cell < leaf.ncell; cell++) bytes.writeUInt16BE(1, start + 8 + cell * 2)
  })
  t.equal(tableIn(await salvaged(t, file), 'items').rows, 500 - leaf.ncell)
})

t.test('bytes that an extension keeps on every page are no rows', async t => {
  const file = join(testFolder(t), 'app.db')
  const empty = new Database(file)
  empty.exec('CREATE TABLE a (b); DROP TABLE a; VACUUM')
  empty.close()
  change(file, bytes => {
    bytes.writeUInt8(32, 20)
    bytes.writeUInt16BE(4096 - 32, 105)
  })
  makeVaried(file)
  const before = contentIn(file)
  const report = await salvaged(t, file)
  t.same(contentIn(report.path), before)
  t.same(report.repaired, [])
  const database = new Database(file)
  t.equal(database.pragma('page_count', { simple: true }), readFileSync(file).length / 4096)
  database.close()
  t.equal(readFileSync(file)[20], 32)
})

t.test('the time limit ends it with what there is', async t => {
  const file = join(testFolder(t), 'app.db')
  makeDatabase(file, { journalMode: 'delete' }).close()
  t.match(await salvage({ file, destination: `${file}.new`, timeLimitMs: 0 }), { isComplete: false, tables: [{ rows: 0 }], integrity: { isHealthy: true } })
})

t.test('what is at the destination stays', async t => {
  const file = join(testFolder(t), 'app.db')
  makeDatabase(file, { journalMode: 'delete' }).close()
  writeFileSync(`${file}.new`, 'precious')
  await t.rejects(salvage({ file, destination: `${file}.new`, timeLimitMs: MINUTE }), { code: 'EEXIST' })
  t.equal(readFileSync(`${file}.new`, 'utf8'), 'precious')
  t.same(readdirSync(join(file, '..')).sort(), ['app.db', 'app.db.new'])
})

t.test('an empty file is no database, noise is an empty one', async t => {
  const file = join(testFolder(t), 'app.db')
  writeFileSync(file, '')
  await t.rejects(salvage({ file, destination: `${file}.new`, timeLimitMs: MINUTE }), { code: 'FST_SNAPSHOT_NOT_A_DATABASE' })
  writeFileSync(file, Buffer.from(Array.from({ length: 50_000 }, (_, at) => at * 7919 % 251)))
  t.match(await salvaged(t, file), { tables: [], lostAndFound: null })
})

t.test('whatever pages are zeroed, exactly their rows are missing', async t => {
  const folder = testFolder(t)
  const whole = join(folder, 'whole.db')
  const database = makeDatabase(whole, { journalMode: 'delete', pageSize: 1024, rows: 1500 })
  database.exec('CREATE TABLE more (id INTEGER PRIMARY KEY, a TEXT NOT NULL, b INT, c INT); INSERT INTO more SELECT id * 3, text, id, id FROM items')
  database.close()
  const all = contentIn(whole)
  const leaves = [...pagesOf(whole, 'items'), ...pagesOf(whole, 'more')]
  const inner = [...pagesOf(whole, 'items', 'internal'), ...pagesOf(whole, 'more', 'internal')]
  let number = 0
  await fc.assert(fc.asyncProperty(fc.subarray(leaves, { maxLength: 8 }), fc.subarray(inner, { maxLength: 4 }), async (lost, lostInner) => {
    const file = join(folder, `${++number}.db`)
    copyFileSync(whole, file)
    for (const { pageno } of [...lost, ...lostInner]) zero(file, pageno, 1024)
    const { tables, path, lostAndFound } = await salvaged(t, file)
    const found = contentIn(path)
    for (const name of ['items', 'more']) t.ok((found[name] as string[]).every(row => (all[name] as string[]).includes(row)), 'no row is wrong')
    const rows = tables.reduce((sum, table) => sum + table.rows, lostAndFound?.rows ?? 0)
    t.equal(rows, 3000 - lost.reduce((sum, { ncell }) => sum + ncell, 0))
  }), { numRuns: 25 })
})

t.test('whatever bytes are damaged, the result is sound, and most is there', async t => {
  const folder = testFolder(t)
  const whole = join(folder, 'whole.db')
  makeVaried(whole, { pageSize: 1024 })
  const { length } = readFileSync(whole)
  let number = 0
  const damage = fc.array(fc.record({ at: fc.nat(length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }), { minLength: 1, maxLength: 12 })
  await fc.assert(fc.asyncProperty(damage, async places => {
    const file = join(folder, `${++number}.db`)
    copyFileSync(whole, file)
    change(file, content => { for (const { at, bytes } of places) Buffer.from(bytes).copy(content, at) })
    const { tables, lostAndFound } = await salvaged(t, file)
    const rows = tables.reduce((sum, table) => sum + table.rows, lostAndFound?.rows ?? 0)
    t.ok(rows > 500, `${rows} rows`)
  }), { numRuns: 40 })
})

t.test('sectors that the disk does not give are zeros', async t => {
  const { copyReadable } = await import('../../../src/engine/salvage/copy-readable.ts')
  const folder = testFolder(t)
  const content = Buffer.alloc(1024 * 1024 + 10_000, 7)
  writeFileSync(join(folder, 'a'), content)
  const missing = copyReadable(join(folder, 'a'), join(folder, 'b'), (descriptor, block, offset) => {
    if (offset <= 50_000 && offset + block.length > 50_000) throw new Error('EIO')
    return readSync(descriptor, block, 0, block.length, offset)
  })
  t.same(missing, [{ offset: 49_152, length: 4096 }])
  t.same(readFileSync(join(folder, 'b')), content.fill(0, 49_152, 53_248))
})
