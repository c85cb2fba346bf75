import Database from 'better-sqlite3'
import { join } from 'node:path'
import t from 'tap'
import { HEADER_BYTES, parseHeader, readHeader } from '../../src/engine/database-header.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'

for (const pageSize of [512, 4096, 65536]) {
  t.test(`the header of a database with pages of ${pageSize} bytes says what SQLite says`, async t => {
    const path = join(testFolder(t), 'app.db')
    makeDatabase(path, { pageSize, encoding: 'UTF-16be' }).close()
    new Database(path).exec('PRAGMA user_version = -7; PRAGMA journal_mode = DELETE').close()
    const database = new Database(path)
    database.exec('CREATE TABLE gone (x)')
    database.exec('DROP TABLE gone')
    const [schemaCookie, freePages] = ['schema_version', 'freelist_count'].map(what => database.pragma(what, { simple: true }))
    t.not(freePages, 0)
    database.close()
    t.same(readHeader(path), { pageSize, isWal: false, freePages, schemaCookie, encoding: 'UTF-16be', userVersion: -7 })
  })
}

t.test('the header of an empty file is one of zeros', async t => {
  t.same(parseHeader(Buffer.alloc(HEADER_BYTES)), { pageSize: 0, isWal: false, freePages: 0, schemaCookie: 0, encoding: 'UTF-8', userVersion: 0 })
})
