import Database from 'better-sqlite3'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { CreateImageResult } from '../../../src/engine/create/create-image.ts'
import { decodePackIndex } from '../../../src/format/pack-index.ts'
import { Chain } from '../../helpers/chain.ts'
import { testFolder } from '../../helpers/folder.ts'
import { flipBit } from '../../helpers/format.ts'
import { addRows, contentOf, makeDatabase, type DatabaseOptions, type JournalMode } from '../../helpers/databases.ts'

/** A database that its application has open, and the snapshots of it. */
function inUse (t: Test, options: DatabaseOptions = {}): { application: Database.Database, chain: Chain } {
  const folder = testFolder(t, { packs: {} })
  const path = join(folder, 'app.db')
  const application = makeDatabase(path, { rows: 3000, ...options })
  t.teardown(() => { application.close() })
  return { application, chain: new Chain(join(folder, 'packs'), path) }
}

/** What a connection of its own sees: an application's may still have in memory what free pages held. */
function serialized (path: string): Buffer {
  const database = new Database(path)
  const image = database.serialize()
  database.close()
  return image
}

/** The checksum as its definition says it. */
function checksumOf (image: Buffer, { pageSize, checksumAlgorithm }: CreateImageResult['image']): string {
  const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()
  if (checksumAlgorithm === 'sha256') return sha256(image).toString('hex')
  return sha256(Buffer.concat(Array.from({ length: image.length / pageSize }, (_, page) => sha256(image.subarray(page * pageSize, (page + 1) * pageSize))))).toString('hex')
}

function checkImage (t: Test, chain: Chain, result: CreateImageResult, expected: Buffer): void {
  const image = chain.imageOf(result)
  t.ok(image.equals(expected), 'the image is the database, byte for byte')
  t.equal(result.image.checksum, checksumOf(image, result.image))
  t.same(new Set(result.packs.map(({ id }) => id)), new Set([...chain.mapOf(result).packs, result.map.pack]), 'the packs that are named are those that are needed')
}

t.test('whatever happens between them, every image of a chain is the database at its moment', async t => {
  let number = 0
  const step = fc.oneof(
    fc.record({ do: fc.constant('insert'), bytes: fc.integer({ min: 0, max: 300_000 }) }),
    fc.record({ do: fc.constantFrom('update', 'delete'), from: fc.integer({ min: 1, max: 60 }), bytes: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ do: fc.constantFrom('checkpoint', 'vacuum', 'nothing', 'reopen') })
  )
  const between = fc.record({
    steps: fc.array(step, { maxLength: 4 }),
    lose: fc.constantFrom('nothing', 'nothing', 'nothing', 'a pack', 'the cache', 'all but the first')
  })
  const folder = testFolder(t)
  const databases = fc.record({
    pageSize: fc.constantFrom(512, 1024, 4096, 65536),
    journalMode: fc.constantFrom<JournalMode>('wal', 'wal', 'delete'),
    autoVacuum: fc.constantFrom<NonNullable<DatabaseOptions['autoVacuum']>>('none', 'full')
  })
  await fc.assert(fc.asyncProperty(databases, fc.array(between, { minLength: 1, maxLength: 6 }), async (options, history) => {
    const path = join(folder, `${number++}.db`)
    let application = makeDatabase(path, options)
    const chain = new Chain(folder, path)
    try {
      for (const { steps, lose } of history) {
        for (const { do: what, bytes, from } of steps as Array<{ do: string, bytes?: number, from?: number }>) {
          if (what === 'insert') application.prepare('INSERT INTO items (data) VALUES (randomblob(?))').run(bytes)
          else if (what === 'update') application.prepare('UPDATE items SET text = hex(randomblob(20)) WHERE id BETWEEN ? AND ?').run(from, from! + bytes!)
          else if (what === 'delete') application.prepare('DELETE FROM items WHERE id BETWEEN ? AND ?').run(from, from! + bytes!)
          else if (what === 'checkpoint') application.pragma('wal_checkpoint(TRUNCATE)')
          else if (what === 'vacuum') application.exec('VACUUM')
          else if (what === 'reopen') {
            application.close()
            application = new Database(path)
          }
        }
        if (lose === 'a pack') chain.packs.splice(0, 1)
        else if (lose === 'the cache') chain.cache = 'lost'
        else if (lose === 'all but the first') chain.packs.splice(1)
        const result = await chain.create()
        const expected = serialized(chain.path)
        if (!chain.imageOf(result).equals(expected) || result.image.checksum !== checksumOf(expected, result.image)) throw new Error('another image than the database')
      }
    } finally {
      application.close()
    }
  }), { numRuns: 60 })
})

t.test('of a database of which a little changed, a little is stored, and all of it is in the image', async t => {
  const { application, chain } = inUse(t)
  const full = await chain.create()
  t.match(full, { parent: null, image: { checksumAlgorithm: 'sha256' }, packs: [{ id: chain.packs[0], liveBytes: Number }] })
  const before = serialized(chain.path)
  application.exec("UPDATE items SET text = 'other' WHERE id IN (1, 1500, 3000)")
  const incremental = await chain.create()
  t.match(incremental, { parent: chain.packs[0], image: { checksumAlgorithm: 'sha256-tree' } })
  t.equal(incremental.packs.length, 2)
  t.ok(incremental.packBytes! < full.packBytes! / 5)
  checkImage(t, chain, incremental, serialized(chain.path))
  checkImage(t, chain, full, before)
})

t.test('scattered pages are stored together, and no page beside them', async t => {
  const { application, chain } = inUse(t)
  await chain.create()
  const before = serialized(chain.path)
  application.exec("UPDATE items SET text = 'text' || id WHERE id % 500 = 0")
  const after = serialized(chain.path)
  const changed = Array.from({ length: after.length / 4096 }, (_, page) => page * 4096).filter(at => !after.subarray(at, at + 4096).equals(before.subarray(at, at + 4096)))
  await chain.create()
  const frames = decodePackIndex(readFileSync(chain.packFile(chain.packs[1]!)))
  t.equal(frames.length, 1)
  t.equal(frames[0]!.rawLength, changed.length * 4096)
})

t.test('nothing is stored of a database that nobody has written to, once its times are settled', async t => {
  const { chain } = inUse(t)
  await sleep(2200)
  const full = await chain.create({ check: true })
  const same = await chain.create({ check: true })
  t.same(same, { ...full, packBytes: null, parent: chain.packs[0] })
  checkImage(t, chain, same, serialized(chain.path))
})

t.test('a database whose times are not settled is compared page by page, and its pages are shared', async t => {
  const { chain } = inUse(t)
  await chain.create()
  const same = await chain.create()
  t.match(same, { packBytes: Number, parent: chain.packs[0] })
  t.same(decodePackIndex(readFileSync(chain.packFile(chain.packs[1]!))), [])
  checkImage(t, chain, same, serialized(chain.path))
})

t.test('an unchanged database is checked if its last snapshot was not', async t => {
  const { chain } = inUse(t)
  await sleep(2200)
  await chain.create()
  t.match(await chain.create({ check: false }), { packBytes: null, integrity: 'unchecked' })
  t.match(await chain.create({ check: true }), { packBytes: Number, integrity: 'ok' })
})

t.test('where the packs of an unchanged database may not be shared, it is stored again', async t => {
  const { chain } = inUse(t)
  await sleep(2200)
  await chain.create()
  chain.packs = []
  const again = await chain.create()
  t.match(again, { parent: null, image: { checksumAlgorithm: 'sha256' } })
  checkImage(t, chain, again, serialized(chain.path))
})

t.test('a database of which the most has changed is stored as a whole, as a plain stream', async t => {
  const { application, chain } = inUse(t)
  await chain.create()
  application.exec('UPDATE items SET data = randomblob(200)')
  const result = await chain.create()
  t.match(result, { parent: null, image: { checksumAlgorithm: 'sha256' } })
  t.equal(result.packs.length, 1)
  checkImage(t, chain, result, serialized(chain.path))
})

t.test('another page size begins anew', async t => {
  const { application, chain } = inUse(t, { journalMode: 'delete' })
  await chain.create()
  application.pragma('page_size = 8192')
  application.exec('VACUUM')
  const result = await chain.create()
  t.match(result, { parent: null, image: { pageSize: 8192 } })
  checkImage(t, chain, result, serialized(chain.path))
})

t.test('a damaged cache begins anew, wherever the damage', async t => {
  const { chain } = inUse(t)
  await chain.create()
  const bytes = readFileSync(chain.cache)
  for (const at of [0, 70, Math.floor(bytes.length / 2), bytes.length - 10]) {
    writeFileSync(chain.cache, flipBit(bytes, at * 8))
    const packs = [...chain.packs]
    const cache = chain.cache
    const result = await chain.create()
    t.match(result, { parent: null }, `byte ${at}`)
    checkImage(t, chain, result, serialized(chain.path))
    Object.assign(chain, { packs, cache })
  }
})

t.test('large images are compared on several threads, also from a log that is not checkpointed', async t => {
  const { application, chain } = inUse(t)
  application.pragma('wal_autocheckpoint = 0')
  application.exec('INSERT INTO items (data) VALUES (randomblob(30000000))')
  await chain.create()
  application.exec("UPDATE items SET text = 'other' WHERE id % 1000 = 1")
  const result = await chain.create()
  t.equal(result.packs.length, 2)
  checkImage(t, chain, result, serialized(chain.path))
})

t.test('changed pages that fill frames exactly, or more than one, are stored as they are', async t => {
  const { application, chain } = inUse(t, { rows: 1 })
  application.exec('INSERT INTO items (data) VALUES (zeroblob(6000000))')
  await chain.create()
  application.exec('UPDATE items SET data = randomblob(2080000) WHERE id = 2; INSERT INTO items (data) VALUES (zeroblob(4000000))')
  const result = await chain.create()
  checkImage(t, chain, result, serialized(chain.path))
})

t.test('a log that turns out not to make sense on one of the threads is read by a copy', async t => {
  const { application, chain } = inUse(t)
  application.pragma('wal_autocheckpoint = 0')
  application.exec('INSERT INTO items (data) VALUES (randomblob(30000000))')
  await chain.create()
  const log = readFileSync(`${chain.path}-wal`)
  const expected = contentOf(chain.path)
  for (let at = 32; at < log.length; at += 24 + 4096) log.fill(0, at + 8, at + 16) // the salts, which SQLite does not look at again
  writeFileSync(`${chain.path}-wal`, log)
  const result = await chain.create()
  t.match(result, { copied: /frame \d+/, parent: chain.packs[0] })
  const file = join(chain.folder, 'image.db')
  writeFileSync(file, chain.imageOf(result))
  t.same(contentOf(file), expected)
})

t.test('a database that shrank, or grew, shares what is still there', async t => {
  const { application, chain } = inUse(t)
  addRows(application, 3000)
  await chain.create()
  application.exec('DELETE FROM items WHERE id > 5000; VACUUM')
  checkImage(t, chain, await chain.create(), serialized(chain.path))
  addRows(application, 1000)
  const grown = await chain.create()
  checkImage(t, chain, grown, serialized(chain.path))
  t.notSame(grown.parent, null)
})

t.test('evidence of a damaged database is never taken for the same as before', async t => {
  const { application, chain } = inUse(t)
  application.unsafeMode()
  application.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'items_text'")
  await sleep(2200)
  t.match(await chain.create({ check: true, allowDamaged: true }), { integrity: 'failed' })
  await t.rejects(chain.create({ check: true }), { code: 'FST_SNAPSHOT_DATABASE_DAMAGED' })
  t.match(await chain.create({ check: true, allowDamaged: true }), { integrity: 'failed', packBytes: Number })
})
