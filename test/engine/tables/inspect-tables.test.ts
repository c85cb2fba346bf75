import Database from 'better-sqlite3'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runEngine } from '../../../src/engine/engine.ts'
import { makeDatabase } from '../../helpers/databases.ts'
import { changeSchema, damageDatabase } from '../../helpers/damage.ts'
import { testFolder } from '../../helpers/folder.ts'

t.test('tables are listed with their columns, kind and number of rows', async t => {
  const file = join(testFolder(t), 'image.db')
  const database = makeDatabase(file, { rows: 7 })
  database.exec(`
    CREATE TABLE people (name TEXT COLLATE NOCASE NOT NULL, born INT DEFAULT (1970), initial ANY AS (substr(name, 1, 1)), upper TEXT AS (upper(name)) STORED, PRIMARY KEY (born, name)) STRICT, WITHOUT ROWID;
    CREATE VIRTUAL TABLE search USING fts5 (text);
    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT);
    INSERT INTO people VALUES ('Ada', 1815), ('Alan', 1912);
    INSERT INTO search VALUES ('hello');
    ANALYZE`)
  database.close()
  const { tables } = await runEngine('inspect-tables', { file })
  t.same(tables.map(({ name, kind, rows }) => [name, kind, rows]), [
    ['counted', 'table', 0], ['items', 'table', 7], ['people', 'table', 2], ['search', 'virtual', 1],
    ...['config', 'content', 'data', 'docsize', 'idx'].map(part => [`search_${part}`, 'shadow'])
  ].map(([name, kind, rows]) => [name, kind, rows ?? tables.find(table => table.name === name)?.rows]))
  const people = tables.find(({ name }) => name === 'people')
  t.match(people, { isWithoutRowid: true, isStrict: true, sql: /^CREATE TABLE people/ })
  t.same(people?.columns, [
    { name: 'name', type: 'TEXT', isNotNull: true, default: null, keyPosition: 2, generated: null },
    { name: 'born', type: 'INT', isNotNull: true, default: '1970', keyPosition: 1, generated: null },
    { name: 'initial', type: 'ANY', isNotNull: false, default: null, keyPosition: 0, generated: 'virtual' },
    { name: 'upper', type: 'TEXT', isNotNull: false, default: null, keyPosition: 0, generated: 'stored' }
  ])
  t.same(readdirSync(join(file, '..')), ['image.db'], 'a database in WAL mode is left without further files')
})

t.test('indexes, triggers and views are listed with their statements, those of constraints left out', async t => {
  const file = join(testFolder(t), 'image.db')
  const database = makeDatabase(file)
  database.exec(`
    CREATE TABLE people (name TEXT UNIQUE);
    CREATE VIEW names AS SELECT name FROM people;
    CREATE TRIGGER copied AFTER INSERT ON people BEGIN INSERT INTO items (text) VALUES (new.name); END`)
  database.close()
  const { indexes, triggers, views } = await runEngine('inspect-tables', { file })
  t.match(indexes, [{ type: 'index', name: 'items_text', table: 'items', sql: 'CREATE INDEX items_text ON items (text)' }])
  t.match(triggers, [{ type: 'trigger', name: 'copied', table: 'people', sql: /^CREATE TRIGGER/ }])
  t.match(views, [{ type: 'view', name: 'names', table: 'names', sql: /^CREATE VIEW/ }])
})

t.test('what only the application can read has no number of rows', async t => {
  const file = join(testFolder(t), 'image.db')
  const database = new Database(file)
  database.exec('CREATE TABLE readable (id TEXT PRIMARY KEY); CREATE TABLE unreadable (id TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO readable VALUES (1), (2); INSERT INTO unreadable VALUES (1)')
  changeSchema(database, "UPDATE sqlite_schema SET sql = replace(sql, 'id TEXT', 'id TEXT COLLATE ours') WHERE type = 'table'; INSERT INTO sqlite_schema VALUES ('table', 'theirs', 'theirs', 0, 'CREATE VIRTUAL TABLE theirs USING unheard_of')")
  const { tables } = await runEngine('inspect-tables', { file })
  t.same(tables.map(({ name, kind, rows, columns }) => [name, kind, rows, columns.length]), [['readable', 'table', 2, 1], ['theirs', 'virtual', null, 0], ['unreadable', 'table', null, 1]])
})

t.test('what is no database, or a damaged one, is a coded error', async t => {
  const file = join(testFolder(t), 'image.db')
  writeFileSync(file, 'x'.repeat(5000))
  await t.rejects(runEngine('inspect-tables', { file }), { code: 'FST_SNAPSHOT_NOT_A_DATABASE' })
  const damaged = `${file}2`
  makeDatabase(damaged, { rows: 2000, journalMode: 'delete' }).close()
  damageDatabase(damaged)
  await t.rejects(runEngine('inspect-tables', { file: damaged }), { code: 'FST_SNAPSHOT_DATABASE_DAMAGED' })
})
