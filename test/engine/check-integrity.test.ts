import Database from 'better-sqlite3'
import { rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runEngine } from '../../src/engine/engine.ts'
import { checkIntegrity, type IntegrityReport } from '../../src/engine/check-integrity.ts'
import type { Target } from '../../src/engine/target-database.ts'
import { breakIndex, changeSchema, damageDatabase } from '../helpers/damage.ts'
import { makeDatabase, makeLargeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'

const check = async (path: string, mode: 'quick' | 'full'): Promise<IntegrityReport> => await runEngine('check-integrity', { target: { path, lockTimeoutMs: 1000 }, mode })

/** A database whose application has a function of its own, in an index, a constraint and a generated column. */
function makeWithFunction (t: Test): string {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path)
  database.function('twice', { deterministic: true }, value => Number(value) * 2)
  database.exec(`
    CREATE TABLE numbers (a INTEGER CHECK (twice(a) > 0), b AS (twice(a)) STORED);
    CREATE INDEX doubled ON numbers (twice(a));
    CREATE INDEX plain ON numbers (a);
    INSERT INTO numbers (a) SELECT id FROM items`)
  database.close()
  return path
}

for (const mode of ['quick', 'full'] as const) {
  t.test(`a sound database is healthy, ${mode} check`, async t => {
    const path = join(testFolder(t), 'app.db')
    makeDatabase(path).close()
    t.same(await check(path, mode), { isHealthy: true, errors: [], unchecked: [] })
  })

  t.test(`a function of the application is reported as unchecked, not as damage, ${mode} check`, async t => {
    const { isHealthy, errors, unchecked } = await check(makeWithFunction(t), mode)
    t.same({ isHealthy, errors }, { isHealthy: true, errors: [] })
    t.ok(unchecked.includes('function twice'), unchecked.join())
  })

  t.test(`damage is found beside a function of the application, ${mode} check`, async t => {
    const path = makeWithFunction(t)
    makeLargeDatabase(`${path}.large`, 500_000)
    const database = new Database(path)
    database.prepare('ATTACH ? AS large').run(`${path}.large`)
    database.exec('CREATE TABLE copied AS SELECT * FROM large.items')
    database.close()
    damageDatabase(path)
    const { isHealthy, errors } = await check(path, mode)
    t.equal(isHealthy, false)
    t.not(errors.length, 0)
  })

  t.test(`a virtual table of an unknown kind is reported as unchecked, ${mode} check`, async t => {
    const path = join(testFolder(t), 'app.db')
    const database = makeDatabase(path)
    changeSchema(database, "INSERT INTO sqlite_schema VALUES ('table', 'vectors', 'vectors', 0, 'CREATE VIRTUAL TABLE vectors USING vec0(a)')")
    t.same(await check(path, mode), { isHealthy: true, errors: [], unchecked: ['table vectors: unknown module vec0'] })
  })

  t.test(`a missing file is unhealthy, ${mode} check`, async t => {
    const path = join(testFolder(t), 'app.db')
    t.match(await check(path, mode), { isHealthy: false, errors: [/no database at/] })
  })

  t.test(`a cut database is unhealthy, ${mode} check`, async t => {
    const path = join(testFolder(t), 'app.db')
    makeLargeDatabase(path, 500_000)
    truncateSync(path, 100_000)
    t.match(await check(path, mode), { isHealthy: false })
  })

  t.test(`a collation of the application is reported as unchecked, ${mode} check`, async t => {
    const path = join(testFolder(t), 'app.db')
    const database = makeDatabase(path)
    database.exec("CREATE TABLE named (name TEXT, CHECK (name <> 'x')); CREATE INDEX by_name ON named (name); INSERT INTO named SELECT text FROM items")
    changeSchema(database, "UPDATE sqlite_schema SET sql = 'CREATE TABLE named (name TEXT COLLATE german, CHECK (name <> ''x''))' WHERE name = 'named'")
    const { isHealthy, errors, unchecked } = await check(path, mode)
    t.same({ isHealthy, errors }, { isHealthy: true, errors: [] })
    t.ok(unchecked.some(what => what.startsWith('table named')), unchecked.join())
  })
}

t.test('a database that needs a collation and a function of its application is judged as far as can be', async t => {
  const path = makeWithFunction(t)
  const database = new Database(path)
  changeSchema(database, "CREATE TABLE named (name TEXT, CHECK (name <> 'x')); CREATE INDEX by_name ON named (name); UPDATE sqlite_schema SET sql = 'CREATE TABLE named (name TEXT COLLATE german, CHECK (name <> ''x''))' WHERE name = 'named'")
  for (const mode of ['quick', 'full'] as const) {
    const { isHealthy, unchecked } = await check(path, mode)
    t.ok(isHealthy)
    t.ok(['function twice', 'table named'].every(what => unchecked.includes(what)), unchecked.join())
  }
})

t.test('an index that contradicts its table is found by the full check only', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  breakIndex(path, 'items_text', 'items')
  t.match(await check(path, 'quick'), { isHealthy: true })
  t.match(await check(path, 'full'), { isHealthy: false })
})

t.test('the full check finds such an index in the other tables of a database with a function of the application', async t => {
  const path = makeWithFunction(t)
  breakIndex(path, 'items_text', 'items')
  const { isHealthy, unchecked } = await check(path, 'full')
  t.equal(isHealthy, false)
  t.ok(unchecked.includes('index doubled'))
})

t.test('a database that is locked cannot be judged', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path, { journalMode: 'delete' })
  t.teardown(() => { database.close() })
  database.exec('BEGIN EXCLUSIVE')
  await t.rejects(runEngine('check-integrity', { target: { path, lockTimeoutMs: 50 }, mode: 'quick' }), { code: 'FST_SNAPSHOT_DATABASE_LOCKED', statusCode: 503 })
  rmSync(path)
})

t.test('foreign keys are checked on request, and at most a hundred broken ones told', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path)
  database.exec('PRAGMA foreign_keys = OFF; CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children (parent REFERENCES parents (id)); CREATE TABLE others (parent REFERENCES parents (id), id INTEGER PRIMARY KEY) WITHOUT ROWID')
  database.exec('INSERT INTO children VALUES (7)')
  database.close()
  const target = { path, lockTimeoutMs: 1000 }
  t.match(await checkIntegrity({ target, mode: 'full' }), { isHealthy: true })
  t.match(await checkIntegrity({ target, mode: 'quick', foreignKeys: true }), { isHealthy: false, errors: ['foreign key: row 1 of children refers to a row that parents does not have'] })
  const again = new Database(path)
  again.exec('PRAGMA foreign_keys = OFF; DELETE FROM children; INSERT INTO others VALUES (7, 1)')
  t.match(await checkIntegrity({ target, mode: 'quick', foreignKeys: true }), { errors: ['foreign key: a row of others refers to a row that parents does not have'] })
  const insert = again.prepare('INSERT INTO children VALUES (?)')
  for (let row = 0; row < 200; row++) insert.run(row)
  again.close()
  t.equal((await checkIntegrity({ target, mode: 'quick', foreignKeys: true })).errors.length, 100)
})

t.test('foreign keys whose target has a collation of the application are unchecked, the others are not', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path)
  database.exec("PRAGMA foreign_keys = OFF; CREATE TABLE parents (name TEXT PRIMARY KEY); CREATE TABLE children (parent REFERENCES parents (name)); CREATE TABLE others (item REFERENCES items (id)); INSERT INTO children VALUES ('a'); INSERT INTO others VALUES (-1)")
  changeSchema(database, "UPDATE sqlite_schema SET sql = 'CREATE TABLE parents (name TEXT COLLATE german PRIMARY KEY)' WHERE name = 'parents'")
  const report = await checkIntegrity({ target: { path, lockTimeoutMs: 1000 }, mode: 'quick', foreignKeys: true })
  t.match(report, { isHealthy: false, errors: ['foreign key: row 1 of others refers to a row that items does not have'] })
  t.ok(report.unchecked.includes('foreign keys of children: no such collation sequence: german'), report.unchecked.join())
})

/** A database whose foreign keys SQLite cannot follow. */
function makeReferring (t: Test, sql: string): Target {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path)
  database.exec(`PRAGMA foreign_keys = OFF; ${sql}`)
  database.close()
  return { path, lockTimeoutMs: 1000 }
}

t.test('foreign keys to what is not unique are unchecked', async t => {
  const target = makeReferring(t, 'CREATE TABLE parents (id); CREATE TABLE children (parent REFERENCES parents (id)); INSERT INTO children VALUES (1)')
  t.same(await checkIntegrity({ target, mode: 'quick', foreignKeys: true }), { isHealthy: true, errors: [], unchecked: ['foreign keys of children: foreign key mismatch - "children" referencing "parents"'] })
})

t.test('what else goes wrong while foreign keys are followed is an error', async t => {
  const target = makeReferring(t, 'CREATE TABLE parents (id PRIMARY KEY); CREATE TABLE children (size); INSERT INTO children VALUES (3000000000); ALTER TABLE children ADD COLUMN parent AS (zeroblob(size)) REFERENCES parents (id)')
  await t.rejects(checkIntegrity({ target, mode: 'quick', foreignKeys: true }), { code: 'SQLITE_TOOBIG' })
})
