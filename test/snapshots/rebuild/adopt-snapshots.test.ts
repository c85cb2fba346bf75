import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalStorage, type Snapshot } from '../../../src/index.ts'
import { allOf, deploy, hostOn, jsonIn, keysIn, loseCatalog, namesOf, type Deployment } from '../../helpers/deployments.ts'
import { testFolder } from '../../helpers/folder.ts'
import { checkAllRestore, makeHistory } from '../../helpers/history.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'
import { packsIn } from '../../helpers/sharing.ts'
import { openPlace, sharedPlaces } from '../../helpers/shared-places.ts'

for (const { what, skip, make } of sharedPlaces) {
  t.test(`another deployment sees and restores what is in ${what}, and never changes it, until it takes it over`, { skip }, async t => {
    testFolder(t)
    const place = await make(t)
    const old = await makeHistory(t, openPlace(place))
    const fresh = deploy(t, 'fresh', openPlace(place))
    const own = await fresh.writer.createSnapshot('first')
    t.same(namesOf(await allOf(fresh.writer)).toSorted(), [...namesOf(old.before), 'first'].toSorted())
    await checkAllRestore(t, fresh, new Map([...old.contents].filter(([name]) => name !== 'first')))
    const source = old.before[0]!.source
    t.match(fresh.writer.health(), { status: 'ok', sources: [{ id: source, snapshots: old.before.length }] })
    const stored = await keysIn(fresh.remote)
    for (const { id, name } of old.before) {
      await t.rejects(fresh.writer.deleteSnapshot(id), { code: name === 'pinned' ? 'FST_SNAPSHOT_PINNED' : 'FST_SNAPSHOT_NOT_OWN' })
      await t.rejects(fresh.writer.updateSnapshot(id, { pinned: true }), { code: 'FST_SNAPSHOT_NOT_OWN' })
    }
    await fresh.writer.createScheduledSnapshot(1)
    await fresh.writer.completeReplicas()
    t.same(stored.filter(key => !key.includes(own.id)).filter(key => !key.includes('/probes/')).toSorted(),
      (await keysIn(fresh.remote)).filter(key => stored.includes(key) && !key.includes(own.id)).toSorted(), 'nothing of them is gone')

    t.equal(await fresh.writer.adoptSnapshots(source), old.before.length)
    t.match(fresh.writer.health(), { sources: [] })
    t.match(await fresh.writer.getSnapshot('first'), { id: own.id }, 'a name that both have stays its own')
    t.match(await fresh.writer.getSnapshot('first-2'), { id: old.before[0]!.id })
    const scheduled = old.before.at(-1) as Snapshot
    await fresh.writer.createScheduledSnapshot(2)
    await t.rejects(fresh.writer.getSnapshot(scheduled.id), { code: 'FST_SNAPSHOT_NOT_FOUND' }, 'retention counts them')
    await fresh.writer.deleteSnapshot('labelled')
    await fresh.writer.completeReplicas()
    t.same(await keysIn(fresh.remote, `snapshots/${scheduled.id}`), [])
    t.match(await jsonIn(fresh.remote, `app/marks/${old.before[0]!.id}.json`), { source: own.source }, 'whose they are stands beside them')

    // The old one lives, after all.
    await t.rejects(old.writer.deleteSnapshot('first'), { code: 'FST_SNAPSHOT_NOT_OWN' })
    await t.rejects(old.writer.updateSnapshot('pinned', { pinned: false }), { code: 'FST_SNAPSHOT_NOT_OWN' })
    await old.writer.createSnapshot('later')
    for (let round = 0; round < 3; round++) await old.writer.createScheduledSnapshot(1)
    await old.writer.completeReplicas()
    await old.writer.rebuildCatalog()
    t.match(await old.writer.verifySnapshot('later'), { isHealthy: true })
    t.match(await old.writer.getSnapshot('pinned'), { source: own.source, pinned: true })
    await checkAllRestore(t, fresh, new Map([['pinned', old.contents.get('pinned')!], ['first-2', old.contents.get('first')!]]))

    await loseCatalog(fresh)
    rmSync(join(fresh.snapshotDir, 'app'), { recursive: true })
    const again = hostOn(t, fresh.folder, openPlace(place))
    await allOf(again.writer)
    t.match(await again.writer.getSnapshot('pinned'), { source: own.source, pinned: true }, 'that they were taken over survives a loss')
    await again.writer.updateSnapshot('pinned', { pinned: false })
    await again.writer.deleteSnapshot('pinned')
  })
}

/** A deployment with a snapshot `a`, and another one that can take it over. */
async function setUp (t: Test): Promise<{ old: Deployment & { remote: RemoteStorage }, fresh: Deployment, id: string }> {
  testFolder(t)
  const [one, other] = [1, 2].map(() => new RemoteStorage(join(t.testdirName, 'remote'))) as [RemoteStorage, RemoteStorage]
  const [old, fresh] = [deploy(t, 'old', one), deploy(t, 'fresh', other)]
  const { id } = await old.writer.createSnapshot('a')
  await old.writer.completeReplicas()
  return { old: { ...old, remote: one }, fresh, id }
}

t.test('what was taken over while its old deployment could not ask is not deleted by it later', async t => {
  const { old, fresh, id } = await setUp(t)
  t.equal(await fresh.writer.adoptSnapshots(), 1)
  old.remote.isDown = true
  await t.rejects(old.writer.rebuildCatalog().then(({ storages }) => { throw new Error(String(storages[1]?.error)) }), /it is down/)
  await old.writer.deleteSnapshot('a')
  old.remote.isDown = false
  await old.writer.completeReplicas()
  t.match(await fresh.writer.verifySnapshot('a'), { isHealthy: true })
  await old.writer.rebuildCatalog()
  t.match(await old.writer.getSnapshot('a'), { id, source: (await fresh.writer.getSnapshot('a')).source }, 'there it is again, as that of the other')
  await old.writer.restoreToFile('a', join(old.folder, 'a.db'))
})

t.test('nor is what its new deployment says of it overwritten', async t => {
  const { old, fresh, id } = await setUp(t)
  await fresh.writer.adoptSnapshots()
  await fresh.writer.updateSnapshot('a', { labels: { by: 'the new one' } })
  old.remote.isDown = true
  await old.writer.rebuildCatalog()
  await old.writer.updateSnapshot('a', { pinned: true })
  old.remote.isDown = false
  await old.writer.completeReplicas()
  const { source } = await fresh.writer.getSnapshot('a')
  t.match(await jsonIn(old.remote, `app/marks/${id}.json`), { source, pinned: false, labels: { by: 'the new one' } })
  t.match(await old.writer.getSnapshot('a'), { source, replicas: [{ storage: 'local', state: 'STORED' }, { storage: 'remote', state: 'STORED' }] })
})

t.test('the old deployment keeps two of one name apart that belong to the new one by now', async t => {
  const { old, fresh, id } = await setUp(t)
  const own = await fresh.writer.createSnapshot('a')
  await fresh.writer.completeReplicas()
  await old.writer.rebuildCatalog()
  await fresh.writer.adoptSnapshots()
  await old.writer.rebuildCatalog()
  t.same((await allOf(old.writer)).map(({ name, id, source }) => [name, id, source]).toSorted(), [['a', own.id, own.source], ['a-2', id, own.source]])
})

t.test('a deletion that the lost deployment had begun is finished by the one that takes its snapshots over', async t => {
  const { old, fresh, id } = await setUp(t)
  const { source } = await old.writer.getSnapshot('a')
  await old.writer.close()
  await old.remote.put(`app/marks/${id}.json`, Buffer.from(JSON.stringify({ source, revision: 1, pinned: false, labels: {}, deletedAt: '2026-11-22T10:00:00.000Z' })))
  t.same(await allOf(fresh.writer), [])
  t.equal(await fresh.writer.adoptSnapshots(), 0)
  await fresh.writer.completeReplicas()
  t.same(await keysIn(fresh.remote), [])
})

t.test('a machine without local files that lives, after all, lists what its heir has deleted as missing, and can delete it', async t => {
  const root = join(testFolder(t), 'remote')
  const [one, two] = ['one', 'two'].map(host => deploy(t, host, new RemoteStorage(root), { storage: new RemoteStorage(root) })) as [Deployment, Deployment]
  await one.writer.createSnapshot('a')
  await one.writer.createSnapshot('b')
  t.equal(await two.writer.adoptSnapshots(), 2)
  await two.writer.deleteSnapshot('a')
  await one.writer.rebuildCatalog()
  t.match(await one.writer.getSnapshot('a'), { replicas: [{ storage: 'remote', state: 'MISSING' }] })
  t.match(one.writer.health(), { status: 'degraded', reasons: [/missing: 1/] })
  await t.rejects(one.writer.deleteSnapshot('b'), { code: 'FST_SNAPSHOT_NOT_OWN' })
  await one.writer.deleteSnapshot('a')
  t.match(one.writer.health(), { status: 'ok' })
  t.same(await keysIn(one.remote, '/marks/'), [`app/marks/${(await two.writer.getSnapshot('b')).id}.json`])
})

t.test('once the old deployment knows that a snapshot was taken over, its new ones share no pack with it', async t => {
  const { old, fresh, id } = await setUp(t)
  await fresh.writer.adoptSnapshots()
  await old.writer.rebuildCatalog()
  old.application.exec('DELETE FROM items WHERE id = 1')
  const next = await old.writer.createSnapshot('b')
  t.equal(next.parentId, null)
  old.application.exec('DELETE FROM items WHERE id = 2')
  t.match(await old.writer.createSnapshot('c'), { parentId: next.id }, 'with its own it does')
  await old.writer.completeReplicas()
  await fresh.writer.deleteSnapshot('a')
  await fresh.writer.completeReplicas()
  t.same(await keysIn(fresh.remote, id), [])
  for (const name of ['b', 'c']) t.match(await old.writer.verifySnapshot(name), { isHealthy: true })
})

/** Two deployments on two storages that both have, the second of which is not required. */
function twoOnTwo (t: Test): { old: SharingTwo, fresh: SharingTwo } {
  testFolder(t)
  const deployOn = (host: string): SharingTwo => {
    const [first, second] = ['remote', 'second'].map(name => new RemoteStorage(join(t.testdirName, name), name)) as [RemoteStorage, RemoteStorage]
    return { first, second, ...deploy(t, host, first, { storage: [new LocalStorage(join(t.testdirName, host, 'backups')), first, { storage: second, required: false }] }) }
  }
  return { old: deployOn('old'), fresh: deployOn('fresh') }
}

type SharingTwo = Deployment & { first: RemoteStorage, second: RemoteStorage }

const ownersOf = async ({ first, second }: SharingTwo, id: string): Promise<unknown[]> => await Promise.all([first, second].map(async storage => (await jsonIn(storage, `app/marks/${id}.json`)).source))

t.test('every storage that has a snapshot is told at once whose it is', async t => {
  const { old, fresh } = twoOnTwo(t)
  const { id, source } = await old.writer.createSnapshot('a')
  await old.writer.completeReplicas()
  t.equal(await fresh.writer.adoptSnapshots(), 1)
  const adopted = await fresh.writer.getSnapshot(id)
  t.same(await ownersOf(fresh, id), [adopted.source, adopted.source])
  await fresh.writer.completeReplicas()
  await fresh.writer.updateSnapshot(id, { pinned: true })
  await fresh.writer.completeReplicas()
  t.equal(await old.writer.adoptSnapshots(adopted.source), 1, 'and taken back')
  t.same(await ownersOf(old, id), [source, source])
  await old.writer.completeReplicas()
  t.match(await old.writer.updateSnapshot(id, { pinned: false }), { source, pinned: false })
  for (const { writer } of [old, fresh]) await writer.close()
})

for (const [what, adopt] of [
  ['lacks a pack of it', async ({ writer, second }: SharingTwo, id: string) => {
    await writer.rebuildCatalog()
    rmSync(packsIn(second.root).find(pack => pack.includes(id))!)
    await writer.verifySnapshot(id)
    await writer.adoptSnapshots()
  }],
  ['is down', async ({ writer, second }: SharingTwo) => {
    second.isDown = true
    await writer.rebuildCatalog()
    await writer.adoptSnapshots()
    second.isDown = false
    await writer.rebuildCatalog()
  }],
  ['does not take the marks', async ({ writer, second }: SharingTwo) => {
    second.refused = /marks/
    await t.rejects(writer.adoptSnapshots(), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
    second.refused = /no key/
    await writer.adoptSnapshots()
  }]
] as const) {
  t.test(`a takeover lasts where a storage with older marks ${what} meanwhile`, async t => {
    const { old, fresh } = twoOnTwo(t)
    const { id } = await old.writer.createSnapshot('a')
    await old.writer.updateSnapshot('a', { pinned: true, labels: { of: 'old' } })
    await old.writer.completeReplicas()
    await old.writer.close()
    const { source } = await fresh.writer.createSnapshot('own')
    await adopt(fresh, id)
    await fresh.writer.completeReplicas()
    await fresh.writer.rebuildCatalog()
    t.match(await fresh.writer.updateSnapshot(id, { labels: { of: 'fresh' } }), { source, pinned: true })
    await fresh.writer.completeReplicas()
    await fresh.writer.rebuildCatalog()
    t.match(await fresh.writer.verifySnapshot(id), { isHealthy: true, replicas: [{ storage: 'remote' }, { storage: 'second' }] })
    t.match(await fresh.writer.getSnapshot(id), { source, labels: { of: 'fresh' } })
    t.same(await ownersOf(fresh, id), [source, source])
    await loseCatalog(fresh)
    const again = hostOn(t, fresh.folder, fresh.first, { storage: [fresh.second, fresh.first] })
    t.match(await again.writer.getSnapshot(id), { source, pinned: true, labels: { of: 'fresh' } }, 'also where the catalog is lost')
    await again.writer.close()
  })
}

t.test('marks that the quicker of two storages has from before do not count', async t => {
  const { old } = twoOnTwo(t)
  const { id } = await old.writer.createSnapshot('a')
  await old.writer.completeReplicas()
  old.first.refused = /marks/
  old.second.refused = /marks/
  await old.writer.updateSnapshot('a', { pinned: true })
  await loseCatalog(old)
  for (const storage of [old.first, old.second]) storage.refused = /no key/
  const local = new LocalStorage(old.snapshotDir)
  const slow = { delays: 0 }
  const get = local.get.bind(local)
  local.get = async (...which) => {
    slow.delays++
    await new Promise(resolve => { setTimeout(resolve, 300) })
    return await get(...which)
  }
  const again = hostOn(t, old.folder, old.first, { storage: [local, old.first, old.second] })
  t.match(await again.writer.rebuildCatalog(), { added: 1 })
  t.match(await again.writer.getSnapshot(id), { pinned: true })
  t.ok(slow.delays > 0)
  await again.writer.close()
})

t.test('what cannot be told to a storage that has it is not taken over', async t => {
  const { old, fresh, id } = await setUp(t)
  await fresh.writer.adoptSnapshots()
  await old.writer.rebuildCatalog()
  old.remote.refused = /marks/
  await t.rejects(old.writer.adoptSnapshots(), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
  t.match(old.writer.health(), { sources: [{ snapshots: 1 }] }, 'it is as before')
  old.remote.refused = /no key/
  t.equal(await old.writer.adoptSnapshots(), 1)
  await old.writer.completeReplicas()
  t.match(await jsonIn(old.remote, `app/marks/${id}.json`), { source: (await old.writer.getSnapshot(id)).source })
})
