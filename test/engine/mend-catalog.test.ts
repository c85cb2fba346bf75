import Database from 'better-sqlite3'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { mendCatalog } from '../../src/engine/mend-catalog.ts'

t.test('a sound catalog is left as it is; of what is no database nothing can be mended', async t => {
  const path = join(t.testdir(), 'catalog.db')
  new Database(path).exec('CREATE TABLE snapshotPacks (b UNIQUE); INSERT INTO snapshotPacks VALUES (1)').close()
  t.same(await mendCatalog({ path }), { found: [], left: [] })
  writeFileSync(path, 'no database at all '.repeat(100))
  t.match(await mendCatalog({ path }), { found: [/not a database/], left: [/not a database/] })
})
