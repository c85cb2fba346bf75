import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { SnapshotStorage } from '../../../src/index.ts'
import { sha256Hex } from '../../../src/format/checksum.ts'
import { readAll } from '../../../src/storage/storage-key.ts'
import { allOf, deploy, hostOn, jsonIn, keysIn, loseCatalog, namesOf, type Deployment } from '../../helpers/deployments.ts'
import { testFolder } from '../../helpers/folder.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'

const bytesIn = async (storage: SnapshotStorage, key: string): Promise<Buffer> => await readAll(await storage.get(key))

/** A manifest as another version might write it, its checksum right. */
const encode = (manifest: object): Buffer => {
  const body = JSON.stringify(manifest)
  return Buffer.from(`${body}\n${JSON.stringify({ sha256: sha256Hex(body), mac: null })}\n`)
}

/** A deployment whose snapshots are in the remote storage alone, with two snapshots; its log is collected. */
async function setUp (t: Test): Promise<Deployment & { ids: string[], log: string[], again: () => Deployment['writer'] }> {
  testFolder(t)
  const remote = new RemoteStorage(join(t.testdirName, 'remote'))
  const log: string[] = []
  const note = (_: unknown, message: string): void => { log.push(message) }
  const options = { storage: remote, logger: { info () {}, warn: note, error: note } as never }
  const old = deploy(t, 'old', remote, options)
  const ids: string[] = []
  for (const name of ['a', 'b']) ids.push((await old.writer.createSnapshot(name, { full: true, labels: { is: name } })).id)
  return { ...old, ids, log, again: () => hostOn(t, old.folder, remote, options).writer }
}

for (const [what, damage] of Object.entries({
  'is damaged': (manifest: object) => Buffer.from(encode(manifest).toString().replace('COMPLETED', 'completed').replace('"app"', '"apq"')),
  'is empty': () => Buffer.alloc(0),
  'is of a newer version': (manifest: object) => encode({ ...manifest, formatVersion: 2 }),
  'requires what is not known': (manifest: object) => encode({ ...manifest, required: ['time-travel'] }),
  'has an absurd number': (manifest: object) => encode({ ...manifest, sequence: 2 ** 52 + 1 }),
  'has a name that is not allowed': (manifest: object) => encode({ ...manifest, name: '../../etc/passwd' }),
  'has the name of a route': (manifest: object) => encode({ ...manifest, name: 'latest' }),
  'is that of another snapshot': (manifest: object) => encode({ ...manifest, id: randomUUID() }),
  'is that of another database': (manifest: object) => encode({ ...manifest, database: 'other' })
})) {
  t.test(`a manifest that ${what} is reported, left as it is, and hides no other`, async t => {
    const old = await setUp(t)
    const key = `app/snapshots/${old.ids[0]}.json`
    const bytes = damage(await jsonIn(old.remote, key))
    await loseCatalog(old)
    await old.remote.put(key, bytes)
    const keys = await keysIn(old.remote)
    const writer = old.again()
    t.same(namesOf(await allOf(writer)), ['b'])
    t.match(await writer.rebuildCatalog(), { added: 0, storages: [{ storage: 'remote', snapshots: 2, unreadable: [{ storage: 'remote', key, error: String }], error: null }] })
    t.match(old.log, [/Manifests or marks in remote cannot be read: 1/])
    t.match(await writer.restoreToFile('latest', join(old.folder, 'restored.db')), { snapshot: { name: 'b' } })
    for (let round = 0; round < 3; round++) await writer.createScheduledSnapshot(1)
    t.same((await keysIn(old.remote)).filter(key => keys.includes(key)), keys)
    t.same(await bytesIn(old.remote, key), bytes)
  })
}

for (const [what, marks] of Object.entries({ 'are cut': '{"revision":1,"pin', 'are of another form': '{"revision":"one"}', 'are empty': '' })) {
  t.test(`marks that ${what} are reported and left as they are: their snapshot restores, and is not changed`, async t => {
    const old = await setUp(t)
    const key = `app/marks/${old.ids[0]}.json`
    await loseCatalog(old)
    await old.remote.put(key, Buffer.from(marks))
    const writer = old.again()
    t.match(await writer.rebuildCatalog(), { storages: [{ unreadable: [{ storage: 'remote', key }] }] })
    t.same(namesOf(await allOf(writer)), ['a', 'b'])
    t.match(await writer.rebuildCatalog(), { storages: [{ unreadable: [{ key }] }] }, 'told again')
    await writer.restoreToFile('a', join(old.folder, 'restored.db'))
    for (const change of [async () => { await writer.deleteSnapshot('a') }, async () => { await writer.updateSnapshot('a', { pinned: true }) }]) {
      await t.rejects(change(), { code: 'FST_SNAPSHOT_DAMAGED', message: new RegExp(`remote has under ${key}`) })
    }
    t.equal(String(await bytesIn(old.remote, key)), marks)
    t.match(await writer.getSnapshot('b'), { labels: { is: 'b' } })
    await writer.deleteSnapshot('b')
    await old.remote.delete(key)
    await writer.deleteSnapshot('a')
    t.same(await keysIn(old.remote), [])
  })
}

t.test('marks that become unreadable stop no deletion of another snapshot that waits for its storage', async t => {
  testFolder(t)
  const remote = new RemoteStorage(join(t.testdirName, 'remote'))
  const old = deploy(t, 'old', remote)
  const ids: string[] = []
  for (const name of ['a', 'b']) ids.push((await old.writer.createSnapshot(name, { full: true, labels: { is: name } })).id)
  await old.writer.completeReplicas()
  remote.isDown = true
  await old.writer.deleteSnapshot('a')
  await old.writer.deleteSnapshot('b')
  remote.isDown = false
  await remote.put(`app/marks/${ids[0]}.json`, Buffer.from('{'))
  await t.rejects(old.writer.completeReplicas(), /could not be removed/)
  t.same(await keysIn(remote), [`app/marks/${ids[0]}.json`, `app/packs/${ids[0]}/data.zst`, `app/snapshots/${ids[0]}.json`])
  await remote.delete(`app/marks/${ids[0]}.json`)
  await old.writer.completeReplicas()
  t.same(await keysIn(remote), [])
})

t.test('marks without an owner, as earlier versions wrote them, say nothing of whose a snapshot is', async t => {
  const old = await setUp(t)
  const { source } = await old.writer.getSnapshot('a')
  const key = `app/marks/${old.ids[0]}.json`
  await old.remote.put(key, Buffer.from(JSON.stringify({ revision: 2, pinned: true, labels: { old: 'form' }, deletedAt: null })))
  await old.writer.rebuildCatalog()
  t.match(await old.writer.getSnapshot('a'), { source, pinned: true, labels: { old: 'form' } })
  await loseCatalog(old)
  const writer = old.again()
  t.match(await writer.getSnapshot('a'), { source, pinned: true, labels: { old: 'form' } })
  await writer.updateSnapshot('a', { pinned: false })
  t.match(await jsonIn(old.remote, key), { source, revision: 3, pinned: false })
  await writer.deleteSnapshot('a')
})

for (const [what, change, isKept] of [
  ['can be parsed', (manifest: Record<string, unknown>) => encode({ ...manifest, formatVersion: 99, tapes: [] }), false],
  ['does not list its packs', ({ packs, ...manifest }: Record<string, unknown>) => encode({ ...manifest, formatVersion: 99 }), true],
  ['has a wrong checksum', (manifest: Record<string, unknown>) => Buffer.from(encode(manifest).toString().replace('"app"', '"apq"')), true]
] as const) {
  t.test(`a manifest of a newer version that ${what}: packs that nothing needs are ${isKept ? 'kept' : 'removed'}`, async t => {
    const old = await setUp(t)
    const id = randomUUID()
    const manifest = await jsonIn(old.remote, `app/snapshots/${old.ids[1]}.json`)
    await old.remote.put(`app/snapshots/${id}.json`, change({ ...manifest, id, source: { id: randomUUID(), host: 'new' } }))
    await old.writer.deleteSnapshot('a')
    t.equal((await keysIn(old.remote, old.ids[0])).length > 0, isKept)
    await old.writer.deleteSnapshot('b')
    t.ok((await keysIn(old.remote)).includes(`app/packs/${old.ids[1]}/data.zst`), 'a pack that it names stays')
    t.ok((await keysIn(old.remote)).includes(`app/snapshots/${id}.json`))
    if (!isKept) return
    await old.remote.delete(`app/snapshots/${id}.json`)
    await old.writer.settle()
    t.same(await keysIn(old.remote), [], 'removed once that is gone')
  })
}

t.test('a copy is not put over a manifest of a newer version', async t => {
  testFolder(t)
  const remote = new RemoteStorage(join(t.testdirName, 'remote'))
  const old = deploy(t, 'old', remote)
  remote.isDown = true
  const { id } = await old.writer.createSnapshot('a')
  remote.isDown = false
  const bytes = encode({ formatVersion: 99, id, packs: [] })
  await remote.put(`app/snapshots/${id}.json`, bytes)
  await t.rejects(old.writer.completeReplicas(), /another snapshot than the one of that id/)
  t.same(await bytesIn(remote, `app/snapshots/${id}.json`), bytes)
})
