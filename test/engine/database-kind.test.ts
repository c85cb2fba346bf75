import Database from 'better-sqlite3'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isOfKind, kindOf, makeAlike } from '../../src/engine/database-kind.ts'
import { contentOf, journalModeOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'

const kind = { pageSize: 4096, encoding: 'UTF-8', isWal: false, isEmpty: false }
const firstPage = { pageSize: 4096, isWal: false, schemaCookie: 1, freePages: 0, encoding: 'UTF-8', userVersion: 0 }

t.test('a first page is of the kind that was looked at before, unless page size, journal mode or encoding have changed', async t => {
  t.equal(isOfKind(firstPage, kind), true)
  t.equal(isOfKind({ ...firstPage, pageSize: 8192 }, kind), false)
  t.equal(isOfKind({ ...firstPage, isWal: true }, kind), false)
  t.equal(isOfKind({ ...firstPage, encoding: 'UTF-16le' }, kind), false)
  t.equal(isOfKind({ ...firstPage, pageSize: 0 }, { ...kind, isEmpty: true }), true, 'an empty database has no first page yet')
  t.equal(isOfKind({ ...firstPage, pageSize: 512 }, { ...kind, isEmpty: true }), false, 'it has got content meanwhile')
})

t.test('the kind of a live database is what SQLite says of it', async t => {
  const folder = testFolder(t)
  const kindAt = (name: string): unknown => {
    const live = new Database(join(folder, name))
    t.teardown(() => { live.close() })
    return kindOf(live)
  }
  makeDatabase(join(folder, 'wal.db'), { pageSize: 8192, encoding: 'UTF-16le' }).close()
  t.same(kindAt('wal.db'), { pageSize: 8192, encoding: 'UTF-16le', isWal: true, isEmpty: false })
  writeFileSync(join(folder, 'empty.db'), '')
  t.match(kindAt('empty.db'), { isWal: false, isEmpty: true })
})

for (const [from, to] of [['wal', 'delete'], ['delete', 'wal'], ['delete', 'delete']] as const) {
  t.test(`an image in mode ${from} for a live database in mode ${to} takes that mode`, async t => {
    const image = join(testFolder(t), 'image.db')
    makeDatabase(image, { journalMode: from }).close()
    const content = contentOf(image)
    makeAlike(image, { ...kind, isWal: to === 'wal' }, 'nightly')
    t.equal(journalModeOf(image), to)
    t.same(contentOf(image), content)
  })
}

t.test('an empty live database takes everything from the image', async t => {
  const image = join(testFolder(t), 'image.db')
  makeDatabase(image, { journalMode: 'wal', pageSize: 8192 }).close()
  makeAlike(image, { ...kind, isEmpty: true }, 'nightly')
  t.equal(journalModeOf(image), 'wal')
})

t.test('another page size or text encoding cannot be restored into the live file', async t => {
  const image = join(testFolder(t), 'image.db')
  makeDatabase(image, { journalMode: 'delete', pageSize: 8192 }).close()
  t.throws(() => { makeAlike(image, kind, 'nightly') }, { code: 'FST_SNAPSHOT_NOT_RESTORABLE', message: /page size is 8192, that of the live database 4096/ })
  t.throws(() => { makeAlike(image, { ...kind, pageSize: 8192, encoding: 'UTF-16le' }, 'nightly') }, { code: 'FST_SNAPSHOT_NOT_RESTORABLE', message: /text encoding is UTF-8/ })
})
