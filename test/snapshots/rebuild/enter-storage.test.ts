import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { errors, type SnapshotStorage, type SnapshotWriter } from '../../../src/index.ts'
import { flipBit, filesIn } from '../../helpers/damage.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'
import { writerFor } from '../../helpers/round-trip.ts'
import { packsIn } from '../../helpers/sharing.ts'
import { setUpTwo, statesOf } from '../../helpers/two-storages.ts'

const HOUR = 3_600_000

/** A deployment that has nothing but some storages. */
function blank (t: Test, path: string, storage: SnapshotStorage[]): SnapshotWriter {
  return writerFor(t, path, { storage, databaseName: 'app', snapshotDir: join(t.testdirName, `blank-${randomUUID()}`), recoveryDir: join(t.testdirName, `recovery-${randomUUID()}`) })
}

t.test('a pack that is gone is noted, and seen when it is back', async t => {
  const { writer, remote, path } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  await writer.close()
  const other = blank(t, path, [remote])
  t.match(await other.rebuildCatalog(), { added: 1, storages: [{ storage: 'remote', snapshots: 1, added: 1, unreadable: [], error: null }] })
  const pack = packsIn(remote.root)[0]!
  const bytes = readFileSync(pack)
  rmSync(pack)
  await other.rebuildCatalog()
  t.same(await statesOf(other, 'a'), { remote: 'MISSING' })
  const another = blank(t, path, [remote])
  await another.rebuildCatalog()
  t.same(await statesOf(another, 'a'), { remote: 'MISSING' }, 'also where it is found so')
  mkdirSync(join(pack, '..'), { recursive: true })
  writeFileSync(pack, bytes.subarray(1))
  const third = blank(t, path, [remote])
  await third.rebuildCatalog()
  t.same(await statesOf(third, 'a'), { remote: 'MISSING' }, 'or too short')
  writeFileSync(pack, bytes)
  await other.rebuildCatalog()
  t.same(await statesOf(other, 'a'), { remote: 'STORED' })
})

t.test('what two storages have is found in both, whichever is quicker', async t => {
  const { writer, remote, path } = setUpTwo(t)
  for (const name of ['a', 'b', 'c']) await writer.createSnapshot(name)
  await writer.completeReplicas()
  await writer.close()
  const second = new RemoteStorage(join(t.testdirName, 'backups'), 'second')
  const other = blank(t, path, [remote, second])
  await other.rebuildCatalog()
  for (const name of ['a', 'b', 'c']) t.match(await statesOf(other, name), { remote: 'STORED', second: 'STORED' })
})

t.test('what is deleted while it is being read is left out', async t => {
  const { writer, remote, path, application } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  const { list } = remote
  remote.list = async function * (prefix) {
    yield * list.call(remote, prefix)
    if ('app/snapshots/'.startsWith(prefix) || prefix.startsWith('app/snapshots/')) yield { key: `app/snapshots/${randomUUID()}.json`, bytes: 1, modifiedAt: new Date() }
  }
  t.match(await blank(t, path, [remote]).rebuildCatalog(), { added: 1, storages: [{ snapshots: 2, unreadable: [] }] })
  application.exec('DELETE FROM items')
  await writer.deleteSnapshot('a')
  await writer.completeReplicas()
  t.same(packsIn(remote.root), [], 'nor does it keep packs')
})

t.test('a storage that fails in the middle is told of, and the others are found; where all fail, it is an error', async t => {
  const { writer, remote, path, backups } = setUpTwo(t)
  await writer.createSnapshot('a', { labels: { for: 'test' } })
  await writer.completeReplicas()
  await writer.close()
  const { get } = remote
  const failing = new RemoteStorage(backups, 'failing')
  for (const storage of [remote, failing]) {
    storage.get = async (key, options) => {
      if (key.includes('/marks/')) throw new errors.StorageUnavailableError(storage.name, 'it broke off')
      return await get.call(storage, key, options)
    }
  }
  await t.rejects(blank(t, path, [remote, failing]).rebuildCatalog(), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
  remote.get = get
  t.match(await blank(t, path, [remote, failing]).rebuildCatalog(), { added: 1, storages: [{ storage: 'remote', error: null }, { storage: 'failing', error: /it broke off/ }] })
})

t.test('marks that make no sense in any storage keep a snapshot from being deleted', async t => {
  const { writer, remote } = setUpTwo(t)
  await writer.createSnapshot('a', { labels: { for: 'test' } })
  await writer.completeReplicas()
  flipBit(filesIn(remote.root).find(file => file.includes('/marks/'))!, 0.3)
  await t.rejects(writer.deleteSnapshot('a'), { code: 'FST_SNAPSHOT_DAMAGED', message: /what remote has under app\/marks/ })
})

t.test('names that nobody knows are looked for once by all who ask at the same time', async t => {
  const { writer, remote } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  const asked = await Promise.allSettled([1, 2, 3].map(async number => await writer.getSnapshot(`unknown-${number}`)))
  t.match(asked, [1, 2, 3].map(() => ({ status: 'rejected', reason: { code: 'FST_SNAPSHOT_NOT_FOUND' } })))
  remote.isDown = true
  await t.rejects(writer.getSnapshot('unknown'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
  await t.rejects(writer.getSnapshot('unknown'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
})

t.test('what a listing does not show is asked for by itself before it is believed to be gone', async t => {
  const { writer, remote, application } = setUpTwo(t)
  await writer.createSnapshot('a')
  application.exec('DELETE FROM items')
  await writer.createSnapshot('b', { full: true })
  await writer.completeReplicas()
  const { list } = remote
  for (const hidden of ['/snapshots/', '/packs/']) {
    remote.list = async function * (prefix) {
      for await (const object of list.call(remote, prefix)) if (!object.key.includes(hidden)) yield object
    }
    await writer.rebuildCatalog()
    for (const name of ['a', 'b']) t.same(await statesOf(writer, name), { local: 'STORED', remote: 'STORED' }, hidden)
  }
  const pack = packsIn(remote.root)[0]!
  writeFileSync(pack, 'cut')
  remote.list = list
  const { head } = remote
  remote.head = async key => key.includes('/packs/') ? null : await head.call(remote, key)
  t.match((await writer.rebuildCatalog()).storages, [{ error: null }, { error: null }])
})

t.test('a look that waits for one under way goes on where that fails', async t => {
  const { writer, remote } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  const { list } = remote
  const gate = Promise.withResolvers<void>()
  remote.list = async function * (prefix) {
    await gate.promise
    remote.list = list
    yield * list.call(remote, prefix)
    throw new errors.StorageUnavailableError('remote', 'it broke off')
  }
  const rebuilding = writer.rebuildCatalog()
  const asked = t.rejects(writer.getSnapshot('unknown'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
  gate.resolve()
  t.match(await rebuilding, { storages: [{ error: null }, { error: /it broke off/ }] })
  await asked
})

for (const [what, shown] of [
  ['whose clock is hours behind this machine\'s', (time: Date) => new Date(time.getTime() - 3 * HOUR)],
  ['whose clock was once ahead', (time: Date, index: number) => new Date(time.getTime() + (index === 1 ? 24 * HOUR : 0))]
] as const) {
  t.test(`pins of others are seen in a storage ${what}`, async t => {
    const { writer, remote, path } = setUpTwo(t)
    for (const name of ['a', 'b']) await writer.createSnapshot(name, { labels: { is: name } })
    await writer.completeReplicas()
    const shared = new RemoteStorage(remote.root)
    let index = 0
    shared.list = async function * (prefix) {
      for await (const object of remote.list(prefix)) yield object.key.includes('/marks/') ? { ...object, modifiedAt: shown(object.modifiedAt, ++index) } : object
    }
    const other = blank(t, path, [shared])
    for (const name of ['a', 'b']) {
      t.match(await other.getSnapshot(name), { pinned: false })
      await writer.updateSnapshot(name, { pinned: true })
      await writer.completeReplicas()
      await other.rebuildCatalog()
      t.match(await other.getSnapshot(name), { pinned: true, labels: { is: name } })
    }
  })
}

t.test('marks that were seen long ago are not read again', async t => {
  const { writer, remote } = setUpTwo(t)
  for (const name of ['a', 'b']) await writer.createSnapshot(name, { labels: { is: name } })
  await writer.completeReplicas()
  const { list, get } = remote
  let age = 3 * HOUR
  remote.list = async function * (prefix) {
    for await (const object of list.call(remote, prefix)) yield object.key.includes('/marks/') ? { ...object, modifiedAt: new Date(object.modifiedAt.getTime() - (age -= HOUR)) } : object
  }
  await writer.rebuildCatalog()
  const asked: string[] = []
  remote.get = async (key, options) => {
    asked.push(key)
    return await get.call(remote, key, options)
  }
  age = 3 * HOUR
  await writer.rebuildCatalog()
  t.equal(asked.filter(key => key.includes('/marks/')).length, 1, 'but for the newest')
})
