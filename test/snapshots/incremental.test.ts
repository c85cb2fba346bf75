import Database from 'better-sqlite3'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Manifest } from '../../src/format/manifest.ts'
import type { SnapshotWriter } from '../../src/index.ts'
import { filesIn } from '../helpers/damage.ts'
import { contentOf } from '../helpers/databases.ts'
import { download, writerFor } from '../helpers/round-trip.ts'
import { changeRow, packsIn, setUp, setUpFailing, type Setup } from '../helpers/sharing.ts'

async function contentOfSnapshot (t: Test, writer: SnapshotWriter, name: string): Promise<Record<string, string>> {
  const file = join(t.testdirName, `${name}.downloaded.db`)
  await download(writer, name, file)
  const content = contentOf(file)
  rmSync(file)
  return content
}

/** Takes snapshots with a change before each, and keeps what each must have. */
async function createSome (setup: Setup, names: string[]): Promise<Map<string, Record<string, string>>> {
  const contents = new Map<string, Record<string, string>>()
  for (const [index, name] of names.entries()) {
    changeRow(setup, index * 17 + 1)
    await setup.writer.createSnapshot(name)
    contents.set(name, contentOf(setup.path))
  }
  return contents
}

t.test('an incremental snapshot is listed with its parent, stores little, and restores by itself', async t => {
  const setup = setUp(t)
  const { writer } = setup
  const full = await writer.createSnapshot('full')
  changeRow(setup, 5)
  const incremental = await writer.createSnapshot('incremental')
  const content = contentOf(setup.path)
  t.match(full, { parentId: null, checksumAlgorithm: 'sha256' })
  t.match(incremental, { parentId: full.id, checksumAlgorithm: 'sha256-tree', size: full.size })
  t.ok(incremental.storedSize! < full.storedSize! / 5)
  changeRow(setup, 6)
  await writer.restoreFromSnapshot('incremental')
  t.same(contentOf(setup.path), content)
  t.match(await writer.verifySnapshot('incremental'), { isHealthy: true })
})

t.test('a full one is made on request, and where nothing older may be shared', async t => {
  const setup = setUp(t)
  await setup.writer.createSnapshot('first')
  t.match(await setup.writer.createSnapshot('full', { full: true }), { parentId: null })
  const never = writerFor(t, setup.path, { maxParentAge: 0 })
  t.match(await never.createSnapshot('never-shared'), { parentId: null })
})

t.test('what is older than the maximum age is not shared any more', async t => {
  const setup = setUp(t, { maxParentAge: 60_000 })
  const { id } = await setup.writer.createSnapshot('first')
  t.match(await setup.writer.createSnapshot('young'), { parentId: id })
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now + 61_000 })
  t.match(await setup.writer.createSnapshot('later'), { parentId: null })
  t.intercept(Date, 'now', { value: () => now - 10_000 })
  t.match(await setup.writer.createSnapshot('clock-set-back'), { parentId: null })
})

t.test('a page cache that is lost or damaged costs a full snapshot and nothing else', async t => {
  const setup = setUp(t)
  await setup.writer.createSnapshot('first')
  const cache = join(setup.backups, '.cache', 'app.pages')
  t.equal(statSync(cache).mode & 0o777, 0o600)
  writeFileSync(cache, readFileSync(cache).fill(7, 10))
  t.match(await setup.writer.createSnapshot('second'), { parentId: null })
  rmSync(cache)
  t.match(await setup.writer.createSnapshot('third'), { parentId: null })
  t.match(await setup.writer.createSnapshot('fourth'), { parentId: String })
})

t.test('what a storage no longer has is not shared', async t => {
  const setup = setUp(t)
  await setup.writer.createSnapshot('first')
  const [pack] = packsIn(setup.backups)
  writeFileSync(pack!, readFileSync(pack!).subarray(1))
  t.match(await setup.writer.createSnapshot('after-a-cut'), { parentId: null })
  for (const file of packsIn(setup.backups)) rmSync(file)
  t.match(await setup.writer.createSnapshot('after-a-loss'), { parentId: null })
  t.match(await setup.writer.verifySnapshot('after-a-loss'), { isHealthy: true })
})

t.test('what is known to be damaged is not shared', async t => {
  const setup = setUp(t)
  const { id } = await setup.writer.createSnapshot('first')
  changeRow(setup, 1)
  await setup.writer.createSnapshot('second')
  const pack = packsIn(setup.backups).find(file => file.includes(id))
  const bytes = readFileSync(pack!)
  bytes[100] = bytes[100]! ^ 1
  writeFileSync(pack!, bytes)
  await setup.writer.verifySnapshot('first')
  const third = await setup.writer.createSnapshot('third')
  t.match(await setup.writer.verifySnapshot('third'), { isHealthy: true }, String(third.parentId))
})

t.test('after some small snapshots only the pack with the most of the pages is shared on', async t => {
  const setup = setUp(t)
  const names = Array.from({ length: 10 }, (_, index) => `s${index}`)
  const contents = new Map<string, Record<string, string>>()
  for (const [index, name] of names.entries()) {
    setup.application.exec(`UPDATE items SET text = 'changed ' || hex(randomblob(10)) WHERE id < 400 OR id = ${1000 + index * 100}`)
    await setup.writer.createSnapshot(name)
    contents.set(name, contentOf(setup.path))
  }
  const packs = async (name: string): Promise<number> => {
    const { id } = await setup.writer.getSnapshot(name)
    return JSON.parse(readFileSync(join(setup.backups, 'app', 'snapshots', `${id}.json`), 'utf8').split('\n')[0]!).packs.length
  }
  const counts = await Promise.all(names.map(packs))
  const drop = counts.findIndex((count, index) => count < counts[index - 1]!)
  t.ok(drop > 3, counts.join())
  t.equal(counts[drop], 2)
  for (const name of ['s0', `s${drop - 1}`, `s${drop}`, 's9']) t.same(await contentOfSnapshot(t, setup.writer, name), contents.get(name))
})

t.test('where the most of what is stored is no longer in use, everything is stored anew', async t => {
  const setup = setUp(t)
  await setup.writer.createSnapshot('first')
  const parents: Array<string | null> = []
  for (let round = 0; round < 8; round++) {
    setup.application.exec(`UPDATE items SET text = hex(randomblob(10)) WHERE id % 3000 BETWEEN ${round * 700 % 3000} AND ${round * 700 % 3000 + 700}`)
    parents.push((await setup.writer.createSnapshot(`round-${round}`)).parentId)
  }
  t.ok(parents[0] !== null && parents.includes(null), parents.join())
})

t.test('a creation that fails once its pack is stored is tried again without storing that again', async t => {
  const setup = setUpFailing(t)
  const { storage, writer } = setup
  storage.failing = /\/snapshots\//
  await t.rejects(writer.createSnapshot('wanted'))
  t.equal(packsIn(storage.root).length, 1, 'the pack is kept')
  storage.failing = /no key/
  changeRow(setup, 1)
  const wanted = await writer.createSnapshot('wanted')
  t.ok(wanted.storedSize! < statSync(packsIn(storage.root)[0]!).size / 5 || wanted.storedSize! < statSync(packsIn(storage.root)[1]!).size / 5)
  t.same(await contentOfSnapshot(t, writer, 'wanted'), contentOf(setup.path))
  t.match(await writer.verifySnapshot('wanted'), { isHealthy: true })
  await writer.deleteSnapshot('wanted')
  t.same(packsIn(storage.root), [], 'with the last snapshot that needs it, it goes')
})

t.test('a pack that was kept goes when the next snapshot does without it', async t => {
  const { storage, writer } = setUpFailing(t)
  storage.failing = /\/snapshots\//
  await t.rejects(writer.createSnapshot('wanted'))
  storage.failing = /no key/
  await writer.createSnapshot('wanted', { full: true })
  t.equal(packsIn(storage.root).length, 1)
  t.equal(storage.puts.length, 2)
})

t.test('a creation whose pack could not be stored leaves nothing', async t => {
  const { storage, writer } = setUpFailing(t)
  storage.failing = /\/packs\//
  await t.rejects(writer.createSnapshot('wanted'))
  t.same(packsIn(storage.root), [])
})

t.test('a snapshot that the catalog has lost keeps its packs', async t => {
  const setup = setUp(t)
  await createSome(setup, ['first', 'second'])
  const second = await setup.writer.getSnapshot('second')
  const [manifest] = readFileSync(join(setup.backups, 'app', 'snapshots', `${second.id}.json`), 'utf8').split('\n') as [string]
  const { packs } = JSON.parse(manifest) as Manifest
  t.equal(packs.length, 2)
  await setup.writer.close()
  new Database(join(setup.backups, 'catalog.db')).exec(`DELETE FROM snapshots WHERE id = '${second.id}'; DELETE FROM snapshotPacks WHERE snapshotId = '${second.id}'`).close()
  const writer = writerFor(t, setup.path)
  await writer.deleteSnapshot('first')
  for (const { id, bytes } of packs) t.equal(statSync(join(setup.backups, 'app', 'packs', id, 'data.zst')).size, bytes)
})

t.test('as long as a manifest cannot be read, no pack is removed', async t => {
  const setup = setUp(t)
  await createSome(setup, ['first'])
  const unknown = join(setup.backups, 'app', 'snapshots', '00000000-0000-4000-8000-000000000000.json')
  writeFileSync(unknown, 'damaged')
  await setup.writer.deleteSnapshot('first')
  t.equal(packsIn(setup.backups).length, 1)
  rmSync(unknown)
  await setup.writer.settle()
  t.same(filesIn(join(setup.backups, 'app')), [], 'then it is removed')
})

t.test('packs of a failed snapshot that cannot be removed now are removed later', async t => {
  const { storage, writer } = setUpFailing(t)
  storage.failing = /\/snapshots\//
  await t.rejects(writer.createSnapshot('wanted'))
  storage.failing = /no key/
  storage.deletes = false
  await writer.createSnapshot('second', { full: true })
  t.equal(packsIn(storage.root).length, 2)
  storage.deletes = true
  await writer.createSnapshot('third', { full: true })
  t.equal(packsIn(storage.root).length, 2)
})
