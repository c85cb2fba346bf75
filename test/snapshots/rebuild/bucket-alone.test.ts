import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Snapshot, SnapshotStorage } from '../../../src/index.ts'
import { allOf, deploy, hostOn, jsonIn, keysIn, loseCatalog, namesOf, type Deployment } from '../../helpers/deployments.ts'
import { contentOf } from '../../helpers/databases.ts'
import { openPlace, sharedPlaces } from '../../helpers/shared-places.ts'

/** A host with a history: a pinned one, labels, an incremental chain, one deleted, one that failed. All but the last is in the remote storage. */
async function makeHistory (t: Test, remote: SnapshotStorage): Promise<Deployment & { before: Snapshot[], contents: Map<string, Record<string, string>> }> {
  const old = deploy(t, 'old', remote)
  const contents = new Map<string, Record<string, string>>()
  for (const name of ['first', 'pinned', 'deleted', 'labelled']) {
    old.application.prepare('UPDATE items SET text = ? WHERE id = 1').run(name)
    await old.writer.createSnapshot(name, name === 'labelled' ? { labels: { for: 'the audit' } } : {})
    contents.set(name, contentOf(old.path))
  }
  await old.writer.updateSnapshot('pinned', { pinned: true })
  await old.writer.deleteSnapshot('deleted')
  old.application.exec('DELETE FROM items WHERE id < 20')
  await old.writer.createScheduledSnapshot(5)
  await old.writer.completeReplicas()
  const before = await allOf(old.writer)
  contents.set((before.at(-1) as Snapshot).name, contentOf(old.path))
  await t.rejects(old.writer.createSnapshot('first'), { code: 'FST_SNAPSHOT_NAME_TAKEN' })
  return { ...old, before, contents }
}

const comparable = ({ id, name, pinned, labels, size, checksum, parentId, createdAt, trigger, source }: Snapshot): object => ({ id, name, pinned, labels, size, checksum, parentId, createdAt, trigger, source })

async function checkAllRestore (t: Test, { writer, folder }: Pick<Deployment, 'writer' | 'folder'>, contents: Map<string, Record<string, string>>): Promise<void> {
  for (const [name, content] of contents) {
    if (name === 'deleted') continue
    await writer.restoreToFile(name, join(folder, 'restored', `${name}.db`))
    t.same(contentOf(join(folder, 'restored', `${name}.db`)), content, `${name} restores`)
    rmSync(join(folder, 'restored', `${name}.db`))
  }
}

for (const { what, skip, make } of sharedPlaces) {
  t.test(`the machine is lost, ${what} is left`, { skip }, async t => {
    t.test('a blank machine brings the newest one back in one call, also where no database file is', async t => {
      t.testdir()
      const place = await make(t)
      const { before, contents } = await makeHistory(t, openPlace(place))
      const newest = contents.get((before.at(-1) as Snapshot).name)
      const blank = join(t.testdirName, 'blank')
      mkdirSync(blank)
      const { writer, path } = hostOn(t, blank, openPlace(place))
      t.notOk(existsSync(path))
      t.match(await writer.restoreFromSnapshot('latest'), { status: 'SUCCESS' })
      t.same(contentOf(path), newest)

      const other = join(t.testdirName, 'other')
      mkdirSync(other)
      const next = hostOn(t, other, openPlace(place))
      await next.writer.restoreToFile('latest', join(other, 'new', 'app.db'))
      t.same(contentOf(join(other, 'new', 'app.db')), newest)
      t.notOk(existsSync(next.path))
    })

    t.test('a deployment that lost its catalog and its local snapshots, but knows who it is, goes on as before', async t => {
      t.testdir()
      const place = await make(t)
      const old = await makeHistory(t, openPlace(place))
      await loseCatalog(old)
      rmSync(join(old.snapshotDir, 'app'), { recursive: true })
      const again = hostOn(t, old.folder, openPlace(place))
      t.same((await allOf(again.writer)).map(comparable), old.before.map(comparable), 'all are there, in their order, with pins and labels')
      t.match(again.writer.health(), { sources: [] })
      await checkAllRestore(t, again, old.contents)

      old.application.exec('DELETE FROM items WHERE id = 30')
      const created = await again.writer.createSnapshot('next')
      const sequenceOf = async ({ id }: Snapshot): Promise<number> => Number((await jsonIn(again.remote, `app/snapshots/${id}.json`)).sequence)
      await again.writer.completeReplicas()
      t.ok(await sequenceOf(created) > await sequenceOf(old.before.at(-1) as Snapshot), 'sequences go on')
      old.application.exec('DELETE FROM items WHERE id = 31')
      t.match(await again.writer.createSnapshot('incremental'), { parentId: String })
      const scheduled = old.before.at(-1) as Snapshot
      for (let round = 0; round < 2; round++) await again.writer.createScheduledSnapshot(2)
      await t.rejects(again.writer.getSnapshot(scheduled.id), { code: 'FST_SNAPSHOT_NOT_FOUND' }, 'retention goes on')
      t.match(await again.writer.updateSnapshot('first', { pinned: true, labels: { kept: 'yes' } }), { pinned: true })
      await again.writer.updateSnapshot('pinned', { pinned: false })
      await again.writer.deleteSnapshot('pinned')
      await again.writer.completeReplicas()
      t.notOk((await keysIn(again.remote)).some(key => key.includes(old.before.find(({ name }) => name === 'pinned')!.id) && !key.includes('/packs/')))

      await loseCatalog(again)
      rmSync(join(old.snapshotDir, 'app'), { recursive: true })
      const third = hostOn(t, old.folder, openPlace(place))
      const listed = await allOf(third.writer)
      t.same(namesOf(listed).slice(0, 4), ['first', 'labelled', 'next', 'incremental'])
      t.match(listed[0], { pinned: true, labels: { kept: 'yes' } }, 'what was changed after the first loss survives a second one')
    })

    t.test('another deployment sees and restores them, and never changes them, until it takes them over', async t => {
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
  })
}
