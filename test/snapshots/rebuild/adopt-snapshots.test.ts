import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Snapshot } from '../../../src/index.ts'
import { allOf, deploy, hostOn, jsonIn, keysIn, loseCatalog, namesOf, type Deployment } from '../../helpers/deployments.ts'
import { checkAllRestore, makeHistory } from '../../helpers/history.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'
import { openPlace, sharedPlaces } from '../../helpers/shared-places.ts'

for (const { what, skip, make } of sharedPlaces) {
  t.test(`another deployment sees and restores what is in ${what}, and never changes it, until it takes it over`, { skip }, async t => {
    t.testdir()
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
  t.testdir()
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
