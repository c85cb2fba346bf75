import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeEmpty } from '../../src/engine/make-empty.ts'
import { query } from '../helpers/bank.ts'
import { integrityOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'

const kindOf = (file: string): unknown[] => ['page_size', 'encoding', 'page_count'].map(pragma => query(file, `PRAGMA ${pragma}`))

t.test('an empty database has the page size and encoding of another, and a page', async t => {
  for (const [pageSize, encoding] of [[512, 'UTF-8'], [4096, 'UTF-16be'], [65536, 'UTF-16le']] as const) {
    const folder = testFolder(t)
    const [file, like] = [join(folder, 'empty.db'), join(folder, 'like.db')]
    makeDatabase(like, { pageSize, encoding }).close()
    await makeEmpty({ file, like })
    const [size, text, count] = kindOf(file)
    t.same([size, text], [pageSize, encoding])
    t.ok(Number(count) > 0)
    t.equal(query(file, 'SELECT count(*) FROM sqlite_schema'), 0)
    t.equal(integrityOf(file), 'ok')
    t.notOk(existsSync(`${file}-wal`))
  }
})

t.test('where there is no other, or its header makes no sense, it has SQLite\'s own', async t => {
  const folder = testFolder(t, { 'noise.db': '' })
  writeFileSync(join(folder, 'noise.db'), Buffer.alloc(200, 0xee))
  for (const like of ['gone.db', 'noise.db']) {
    const file = join(folder, `like ${like}`)
    await makeEmpty({ file, like: join(folder, like) })
    t.same(kindOf(file).slice(0, 2), [4096, 'UTF-8'])
  }
})
