import Database from 'better-sqlite3'
import { execFileSync } from 'node:child_process'
import { existsSync, fstatSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import zlib from 'node:zlib'
import t, { type Test } from 'tap'
import { createImage } from '../../../src/engine/create/create-image.ts'
import { decodePackIndex } from '../../../src/format/pack-index.ts'
import { creationOf } from '../../helpers/creation.ts'
import { contentOf, makeDatabase, type DatabaseOptions } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

/** The image in a pack, put together from its frames. */
function imageIn (packFile: string): Buffer {
  const pack = readFileSync(packFile)
  return Buffer.concat(decodePackIndex(pack).map(({ offset, storedLength }) => zlib.zstdDecompressSync(pack.subarray(offset, offset + storedLength))))
}

function checkImage (t: Test, packFile: string, content: Record<string, string>): void {
  const file = `${packFile}.db`
  writeFileSync(file, imageIn(packFile))
  t.same(contentOf(file), content)
}

/** A database that its application has open. */
function inUse (t: Test, options: DatabaseOptions = {}): { path: string, application: Database.Database } {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path, options)
  t.teardown(() => { application.close() })
  return { path, application }
}

t.test('a pack holds the image as it was in one transaction, byte for byte, with a log that is not checkpointed', async t => {
  const { path, application } = inUse(t, { rows: 3000 })
  const creation = creationOf(path)
  const { image, integrity, copied, packBytes } = await createImage(creation)
  t.match({ integrity, copied }, { integrity: 'ok', copied: null })
  t.ok(imageIn(creation.packFile).equals(application.serialize()))
  t.equal(image.size, application.serialize().length)
  t.equal(statSync(creation.packFile).size, packBytes)
})

t.test('a database that cannot be read directly is copied first, and nothing is left of the copy', async t => {
  const { path } = inUse(t)
  t.intercept(process, 'platform', { value: 'win32' })
  const creation = creationOf(path)
  t.match(await createImage(creation), { integrity: 'ok', copied: /Windows/ })
  checkImage(t, creation.packFile, contentOf(path))
  t.notOk(existsSync(creation.temporaryFile))
})

t.test('a log that turns out not to make sense begins the pack again, from a copy', async t => {
  const { path } = inUse(t)
  const log = openSync(`${path}-wal`, 'r+')
  for (let at = 32; at < fstatSync(log).size; at += 24 + 4096) writeSync(log, Buffer.alloc(8), 0, 8, at + 8) // the salts, which SQLite does not look at again
  const creation = creationOf(path)
  t.match(await createImage(creation), { integrity: 'ok', copied: /frame \d+/ })
  checkImage(t, creation.packFile, contentOf(path))
})

for (const checkpointed of [false, true]) {
  t.test(`evidence of a damaged schema has every page, the log ${checkpointed ? '' : 'not '}checkpointed`, async t => {
    const { path, application } = inUse(t)
    application.unsafeMode()
    application.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'items_text'")
    if (checkpointed) application.pragma('wal_checkpoint(TRUNCATE)')
    const creation = creationOf(path, { allowDamaged: true })
    const { integrity, sqlite, image } = await createImage(creation)
    t.match({ integrity, hash: sqlite.schemaHash, pages: image.pageCount }, { integrity: 'failed', hash: null, pages: application.serialize().length / 4096 })
    t.ok(imageIn(creation.packFile).equals(application.serialize()))
  })
}

t.test('evidence of a damaged schema in a rollback-journal mode has every page', async t => {
  const { path, application } = inUse(t, { journalMode: 'delete' })
  application.unsafeMode()
  application.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'items_text'")
  const creation = creationOf(path, { allowDamaged: true })
  t.match(await createImage(creation), { integrity: 'failed' })
  t.ok(imageIn(creation.packFile).equals(readFileSync(path)))
})

t.test('extra disk space is what is stored, however large the database', async t => {
  const { path, application } = inUse(t)
  application.exec('INSERT INTO items (data) VALUES (zeroblob(20000000))')
  const creation = creationOf(path)
  const { packBytes, image } = await createImage(creation)
  t.ok(packBytes as number < image.size / 100)
  t.same(execFileSync('ls', [t.testdirName], { encoding: 'utf8' }).trim().split('\n'), ['app.db', 'app.db-shm', 'app.db-wal', 'data.zst', 'pages'])
})

t.test('an empty file becomes a database of one page', async t => {
  const path = join(testFolder(t, { 'app.db': '' }), 'app.db')
  t.match(await createImage(creationOf(path)), { copied: null, image: { pageCount: 1 } })
})
