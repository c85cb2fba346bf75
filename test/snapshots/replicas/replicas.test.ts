import Database from 'better-sqlite3'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { decodeMarks } from '../../../src/format/marks.ts'
import { LocalStorage } from '../../../src/index.ts'
import { filesIn, flipBit } from '../../helpers/damage.ts'
import { contentOf } from '../../helpers/databases.ts'
import { writerFor } from '../../helpers/round-trip.ts'
import { packsIn } from '../../helpers/sharing.ts'
import { setUpOneOfTwo, setUpTwo, statesOf, waitForStates } from '../../helpers/two-storages.ts'
import { waitUntil } from '../../helpers/wait-until.ts'

t.test('a snapshot is COMPLETED with the first storage, and the other one follows', async t => {
  const { writer, backups, remote } = setUpTwo(t)
  const created = await writer.createSnapshot('a', { labels: { for: 'test' } })
  t.match(created, { status: 'COMPLETED', replicas: [{ storage: 'local', state: 'STORED' }, { storage: 'remote', state: 'PENDING' }] })
  await waitForStates(writer, 'a', { local: 'STORED', remote: 'STORED' })
  const keys = (root: string): string[] => filesIn(join(root, 'app')).map(file => file.slice(root.length))
  t.same(keys(remote.root), keys(backups), 'pack, manifest and marks')
  t.equal(keys(remote.root).length, 3)
})

t.test('packs come before the manifest in every storage', async t => {
  const { writer, remote } = setUpTwo(t)
  await writer.createSnapshot('a', { labels: { for: 'test' } })
  await writer.completeReplicas()
  t.match(remote.puts.filter(key => !key.includes('probes')), [/packs/, /marks/, /snapshots/])
})

t.test('where two storages are required, a snapshot is COMPLETED with both, and FAILED without one', async t => {
  const { local, remote, path, writer: unused } = setUpTwo(t)
  await unused.close()
  const writer = writerFor(t, path, { storage: [local, { storage: remote, required: true }] })
  t.match(await writer.createSnapshot('a'), { replicas: [{ storage: 'local', state: 'STORED' }, { storage: 'remote', state: 'STORED' }] })
  remote.refused = /snapshots/
  await t.rejects(writer.createSnapshot('b'), { code: 'FST_SNAPSHOT_CREATE_FAILED', message: /remote.*it is down/ })
  remote.refused = /no key/
  t.match(await writer.getSnapshot('b'), { status: 'FAILED', replicas: [] })
  t.match(await writer.createSnapshot('b'), { status: 'COMPLETED' })
  t.match(await writer.verifySnapshot('b'), { isHealthy: true, replicas: [{ storage: 'local', isHealthy: true }, { storage: 'remote', isHealthy: true }] })
})

t.test('a storage that is down holds up no creation, is told of, and gets its copies when it is back, also after a restart', async t => {
  const { writer, remote, path, local } = setUpTwo(t)
  remote.isDown = true
  await writer.createSnapshot('a')
  await writer.createSnapshot('b')
  await waitUntil('the failure is known', () => writer.health().storages[1]?.isUp === false)
  t.match(writer.health(), {
    status: 'degraded',
    reasons: [/Storage remote failed at .*it is down/, /not in storage remote yet: 2,/],
    storages: [{ storage: 'local', isUp: true, pending: 0 }, { storage: 'remote', pending: 2, error: { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' } }]
  })
  t.same(await statesOf(writer, 'a'), { local: 'STORED', remote: 'PENDING' })
  await writer.close()
  remote.isDown = false
  const next = writerFor(t, path, { storage: [local, remote] })
  await next.settle()
  await waitForStates(next, 'a', { local: 'STORED', remote: 'STORED' })
  await waitForStates(next, 'b', { local: 'STORED', remote: 'STORED' })
  t.match(next.health(), { status: 'ok', storages: [{}, { isUp: true, pending: 0, error: null }] })
})

t.test('after a failure copies are tried again by themselves', async t => {
  const { writer, remote } = setUpTwo(t)
  remote.refused = /packs/
  await writer.createSnapshot('a')
  await waitUntil('the failure is known', () => writer.health().storages[1]?.isUp === false)
  remote.refused = /no key/
  await waitForStates(writer, 'a', { local: 'STORED', remote: 'STORED' })
})

t.test('`completeReplicas` waits until every storage has everything, and says what prevents it', async t => {
  const { writer, remote } = setUpTwo(t)
  remote.isDown = true
  await writer.createSnapshot('a')
  await t.rejects(writer.completeReplicas(), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
  remote.isDown = false
  await writer.completeReplicas()
  t.same(await statesOf(writer, 'a'), { local: 'STORED', remote: 'STORED' })
})

t.test('closing waits for the copies that are being made', async t => {
  const { writer, remote, path, local } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.close()
  t.same(await statesOf(writerFor(t, path, { storage: [local, remote] }), 'a'), { local: 'STORED', remote: 'STORED' })
})

for (const [what, harm] of Object.entries({
  'is missing': (pack: string, _manifest: string) => { rmSync(pack) },
  'is damaged': (pack: string, _manifest: string) => { flipBit(pack, 0.1) },
  'has lost its manifest': (_pack: string, manifest: string) => { rmSync(manifest) },
  'has a damaged manifest': (_pack: string, manifest: string) => { flipBit(manifest, 0.5) }
})) {
  t.test(`a restore reads the next storage where the first ${what}, and the first is repaired`, async t => {
    const { writer, application, backups, path } = setUpTwo(t)
    await writer.createSnapshot('a')
    await writer.completeReplicas()
    const content = contentOf(path)
    application.exec('DELETE FROM items')
    const [pack, manifest] = [packsIn(backups)[0]!, filesIn(join(backups, 'app')).find(file => file.includes('/snapshots/'))!]
    harm(pack, manifest)
    t.match(await writer.restoreFromSnapshot('a'), { status: 'SUCCESS' })
    t.same(contentOf(path), content)
    await waitForStates(writer, 'a', { local: 'STORED', remote: 'STORED' })
    t.match(await writer.verifySnapshot('a'), { isHealthy: true, replicas: [{ isHealthy: true }, { isHealthy: true }] })
  })
}

t.test('what is damaged everywhere is not restored', async t => {
  const { writer, application, backups, remote } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  application.exec('DELETE FROM items; VACUUM') // a restore would take the pages that are there from there
  flipBit(packsIn(backups)[0]!, 0.1)
  flipBit(packsIn(remote.root)[0]!, 0.1)
  await t.rejects(writer.restoreFromSnapshot('a'), { code: 'FST_SNAPSHOT_DAMAGED', message: /local: .*remote: / })
  t.match(writer.health(), { status: 'degraded', reasons: [/Copies in storage local .*: 1/, /Copies in storage remote .*: 1/] })
})

t.test('where one copy is damaged and the other cannot be reached, it is said that it may work later', async t => {
  const { writer, backups, remote } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  flipBit(packsIn(backups)[0]!, 0.1)
  remote.isDown = true
  await t.rejects(writer.downloadSnapshot('a'), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', statusCode: 503, message: /local: .*damaged.*remote: .*down/ })
  t.match(await writer.verifySnapshot('a'), { isHealthy: false, replicas: [{ isHealthy: false }, { isHealthy: null }] })
})

t.test('a damaged pack is never copied to another storage', async t => {
  const { writer, backups, remote } = setUpTwo(t)
  remote.isDown = true
  await writer.createSnapshot('a')
  flipBit(packsIn(backups)[0]!, 0.1)
  remote.isDown = false
  await t.rejects(writer.completeReplicas(), { code: 'FST_SNAPSHOT_DAMAGED' })
  t.same(await statesOf(writer, 'a'), { local: 'DAMAGED', remote: 'PENDING' })
  t.same(packsIn(remote.root), [])
})

t.test('one snapshot that cannot be copied holds up no other', async t => {
  const { writer, application, backups, remote } = setUpTwo(t, { maxParentAge: 0 })
  remote.isDown = true
  await writer.createSnapshot('a')
  application.exec('DELETE FROM items WHERE id = 1')
  const { id } = await writer.createSnapshot('b')
  flipBit(packsIn(backups).find(file => file.includes(id))!, 0.1)
  remote.isDown = false
  await t.rejects(writer.completeReplicas(), { code: 'FST_SNAPSHOT_DAMAGED' })
  t.same(await statesOf(writer, 'a'), { local: 'STORED', remote: 'STORED' })
})

t.test('a deletion happens at once, and in a storage that is down when it is back', async t => {
  const { writer, application, remote, backups } = setUpTwo(t)
  await writer.createSnapshot('a')
  application.exec('DELETE FROM items')
  await writer.createSnapshot('b', { full: true })
  await writer.completeReplicas()
  remote.isDown = true
  await writer.deleteSnapshot('a')
  await t.rejects(writer.getSnapshot('a'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
  t.equal(packsIn(backups).length, 1)
  t.equal(packsIn(remote.root).length, 2)
  remote.isDown = false
  await writer.completeReplicas()
  t.equal(packsIn(remote.root).length, 1)
  t.match(await writer.verifySnapshot('b'), { isHealthy: true })
})

t.test('a snapshot that is deleted while it is being copied leaves nothing behind', async t => {
  const { writer, remote, backups } = setUpTwo(t)
  const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  remote.beforePut = async key => {
    if (!key.includes('/packs/')) return
    begun.resolve()
    await goOn.promise
  }
  await writer.createSnapshot('a')
  await begun.promise
  await writer.deleteSnapshot('a')
  goOn.resolve()
  await writer.completeReplicas()
  t.same(filesIn(remote.root), [])
  t.same(packsIn(backups), [])
})

t.test('pins and labels follow as well', async t => {
  const { writer, remote } = setUpTwo(t)
  const { id } = await writer.createSnapshot('a')
  await writer.completeReplicas()
  t.match(await writer.updateSnapshot('a', { pinned: true }), { replicas: [{ state: 'STORED' }, { state: 'PENDING' }] })
  await writer.completeReplicas()
  t.match(decodeMarks(readFileSync(join(remote.root, 'app', 'marks', `${id}.json`))), { pinned: true, revision: 1 })
})

t.test('a local storage may keep only the newest while the other keeps all', async t => {
  const { path, local, remote, writer: unused, application, backups } = setUpTwo(t)
  await unused.close()
  const writer = writerFor(t, path, { storage: [{ storage: local, keepLast: 2 }, remote] })
  for (const name of ['a', 'b', 'c', 'd']) {
    application.exec(`UPDATE items SET text = '${name}' WHERE id = 1`)
    await writer.createSnapshot(name)
    await writer.completeReplicas()
  }
  await writer.completeReplicas()
  t.same(await statesOf(writer, 'a'), { remote: 'STORED' })
  t.same(await statesOf(writer, 'b'), { remote: 'STORED' })
  t.same(await statesOf(writer, 'd'), { local: 'STORED', remote: 'STORED' })
  t.equal(filesIn(join(backups, 'app', 'snapshots')).length, 2)
  for (const name of ['a', 'b', 'c', 'd']) {
    await writer.restoreToFile(name, join(t.testdirName, `${name}.db`))
    const copy = new Database(join(t.testdirName, `${name}.db`))
    t.equal(copy.prepare('SELECT text FROM items WHERE id = 1').pluck().get(), name)
    copy.close()
  }
})

t.test('nothing is removed by a limit before another storage has it', async t => {
  const { path, local, remote, writer: unused, backups } = setUpTwo(t)
  await unused.close()
  remote.isDown = true
  const writer = writerFor(t, path, { storage: [{ storage: local, maxAge: 1 }, remote] })
  for (const name of ['a', 'b']) await writer.createSnapshot(name)
  await t.rejects(writer.completeReplicas())
  t.equal(filesIn(join(backups, 'app', 'snapshots')).length, 2)
  remote.isDown = false
  await writer.completeReplicas()
  await writer.completeReplicas()
  t.same(await statesOf(writer, 'a'), { remote: 'STORED' })
  t.same(await statesOf(writer, 'b'), { local: 'STORED', remote: 'STORED' }, 'the newest one stays')
})

t.test('a storage that is added later gets the snapshots from before', async t => {
  const { path, local, remote } = await setUpOneOfTwo(t, 'local')
  const writer = writerFor(t, path, { storage: [local, remote] })
  await writer.settle()
  await waitForStates(writer, 'a', { local: 'STORED', remote: 'STORED' })
})

t.test('also where it answers later than the others, as a bucket does beside files', async t => {
  const { path, local, remote } = await setUpOneOfTwo(t, 'local')
  const list = remote.list.bind(remote)
  remote.list = async function * (prefix) {
    await sleep(300)
    yield * list(prefix)
  }
  const writer = writerFor(t, path, { storage: [local, remote] })
  writer.watchStorages()
  await waitForStates(writer, 'a', { local: 'STORED', remote: 'STORED' })
})

t.test('a damaged page map is no copy, also where its pack has come with another snapshot', async t => {
  const { path, writer, application, backups, local } = setUpTwo(t)
  await writer.close()
  const alone = writerFor(t, path, { storage: local })
  const a = await alone.createSnapshot('a')
  application.exec("UPDATE items SET text = 'changed' WHERE id = 1")
  await alone.createSnapshot('b')
  await alone.close()
  const [line] = readFileSync(join(backups, 'app', 'snapshots', `${a.id}.json`), 'utf8').split('\n')
  const { map } = JSON.parse(line as string)
  const pack = join(backups, 'app', 'packs', map.pack, 'data.zst')
  const bytes = readFileSync(pack)
  bytes.writeUInt8(bytes.readUInt8(map.offset + 1) ^ 1, map.offset + 1)
  rmSync(pack)
  writeFileSync(pack, bytes)
  const later = writerFor(t, path, { storage: [local, new LocalStorage(join(t.testdirName, 'later'), 'later')] })
  await t.rejects(later.completeReplicas(), { code: 'FST_SNAPSHOT_DAMAGED' })
  t.match(await statesOf(later, 'b'), { later: 'STORED' })
  t.not((await statesOf(later, 'a')).later, 'STORED')
  await later.completeReplicas().catch(() => {})
  t.not((await statesOf(later, 'a')).later, 'STORED')
})

t.test('a storage that is not configured any more is left out', async t => {
  const { path, remote, writer: first } = setUpTwo(t)
  await first.createSnapshot('a')
  await first.completeReplicas()
  await first.close()
  const writer = writerFor(t, path, { storage: remote })
  await writer.restoreFromSnapshot('a')
  await writer.deleteSnapshot('a')
  t.same(packsIn(remote.root), [])
  await writer.close()
  const elsewhere = writerFor(t, path, { storage: new LocalStorage(join(t.testdirName, 'elsewhere'), 'elsewhere') })
  t.match(await elsewhere.listSnapshots(), { snapshots: [] })
  t.ok(existsSync(path))
})

t.test('a creation that was interrupted after its manifest was stored is followed by the copies', async t => {
  const { writer, path, local, remote, backups } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.close()
  new Database(join(backups, 'catalog.db')).exec("UPDATE snapshots SET status = 'CREATING', completedAt = NULL, replicas = '[]'").close()
  const next = writerFor(t, path, { storage: [local, remote] })
  await next.settle()
  t.match(await next.getSnapshot('a'), { status: 'COMPLETED' })
  await next.completeReplicas()
  t.same(await statesOf(next, 'a'), { local: 'STORED', remote: 'STORED' })
})

t.test('a pin that comes while a copy is being made is in the copy', async t => {
  const { writer, remote } = setUpTwo(t)
  const pinning = Promise.withResolvers<void>()
  remote.beforePut = async key => {
    if (!key.includes('/snapshots/')) return
    remote.beforePut = () => {}
    await writer.updateSnapshot('a', { pinned: true })
    pinning.resolve()
  }
  const { id } = await writer.createSnapshot('a')
  await pinning.promise
  await writer.completeReplicas()
  t.match(JSON.parse(readFileSync(join(remote.root, 'app', 'marks', `${id}.json`), 'utf8').split('\n')[0] as string), { pinned: true })
  t.same(await statesOf(writer, 'a'), { local: 'STORED', remote: 'STORED' })
})
