import Database from 'better-sqlite3'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { mendCatalog } from '../../src/engine/mend-catalog.ts'
import { breakIndex } from '../helpers/damage.ts'
import { testFolder } from '../helpers/folder.ts'

t.test('an index that contradicts its table is made anew, and what was known of packs is forgotten', async t => {
  const path = join(testFolder(t), 'catalog.db')
  new Database(path).exec("CREATE TABLE snapshotPacks (b UNIQUE); INSERT INTO snapshotPacks VALUES (1); CREATE TABLE items (text); CREATE INDEX items_text ON items (text); INSERT INTO items SELECT 'a' FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8))").close()
  breakIndex(path, 'items_text', 'items')
  const { found, left } = await mendCatalog({ path })
  t.match(found, [/items_text/])
  t.same(left, [])
  const mended = new Database(path)
  t.equal(mended.prepare('SELECT count(*) FROM snapshotPacks').pluck().get(), 0)
  mended.close()
})

t.test('a sound catalog is left as it is; of what is no database nothing can be mended', async t => {
  const path = join(testFolder(t), 'catalog.db')
  new Database(path).exec('CREATE TABLE snapshotPacks (b UNIQUE); INSERT INTO snapshotPacks VALUES (1)').close()
  t.same(await mendCatalog({ path }), { found: [], left: [] })
  writeFileSync(path, 'no database at all '.repeat(100))
  t.match(await mendCatalog({ path }), { found: [/not a database/], left: [/not a database/] })
})
