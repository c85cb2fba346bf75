import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalStorage, type SnapshotStorage } from '../../src/index.ts'
import { presentSnapshot } from '../../src/snapshots/find-snapshot.ts'
import { deploy, hostOn, jsonIn, loseCatalog, type Deployment } from '../helpers/deployments.ts'
import { testFolder } from '../helpers/folder.ts'
import { openContext } from '../helpers/open-context.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'

/** A deployment with `old` in two remote storages and `new` only in the first of them. */
async function setUp (t: Test): Promise<Deployment & { main: RemoteStorage, storages: () => SnapshotStorage[] }> {
  testFolder(t)
  const main = new RemoteStorage(join(t.testdirName, 'main'), 'main')
  const second = new RemoteStorage(join(t.testdirName, 'second'), 'second')
  const storages = (): SnapshotStorage[] => [main, second]
  const made = deploy(t, 'made', main, { storage: storages() })
  await made.writer.createSnapshot('old')
  await made.writer.completeReplicas()
  second.isDown = true
  await made.writer.createSnapshot('new')
  await made.writer.close()
  second.isDown = false
  return { ...made, main, storages }
}

function blankHost (t: Test, remote: SnapshotStorage, storages: SnapshotStorage[]): ReturnType<typeof hostOn> {
  mkdirSync(join(t.testdirName, 'blank'))
  return hostOn(t, join(t.testdirName, 'blank'), remote, { storage: storages })
}

const uncertain = { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', statusCode: 503, message: /main.*it is down\. There may be a newer snapshot than old; .* by its name or id/, cause: { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' } }

t.test('on a blank machine `latest` is not an older one because a storage cannot be asked', async t => {
  const { main, storages } = await setUp(t)
  main.isDown = true
  const { writer, path } = blankHost(t, main, storages())
  await t.rejects(writer.restoreFromSnapshot('latest'), uncertain)
  await t.rejects(writer.getSnapshot('latest', { before: new Date().toISOString() }), uncertain)
  t.match(await writer.restoreToFile('old', `${path}.old`), { snapshot: { name: 'old' } }, 'by its name it is restored')
  main.isDown = false
  await writer.rebuildCatalog()
  t.match(await writer.getSnapshot('latest'), { name: 'new' })
})

t.test('nor later, as long as it has no snapshot of its own', async t => {
  const { main, storages } = await setUp(t)
  const first = blankHost(t, main, storages())
  await first.writer.listSnapshots()
  await first.writer.close()
  main.isDown = true
  const { writer } = hostOn(t, first.folder, main, { storage: storages() })
  await t.rejects(writer.getSnapshot('latest'), { ...uncertain, message: /than new/ })
  main.isDown = false
  await writer.rebuildCatalog()
  t.match(await writer.getSnapshot('latest'), { name: 'new' })
})

t.test('nor where the catalog was lost, also after another start, until there is a new snapshot', async t => {
  const made = await setUp(t)
  await loseCatalog(made)
  made.main.isDown = true
  const again = hostOn(t, made.folder, made.main, { storage: made.storages() })
  await t.rejects(again.writer.getSnapshot('latest'), uncertain)
  await again.writer.close()
  const { writer } = hostOn(t, made.folder, made.main, { storage: [...made.storages().toReversed()] })
  await t.rejects(writer.getSnapshot('latest'), uncertain)
  const { id } = await writer.createSnapshot('newest')
  t.match(await writer.getSnapshot('latest'), { id })
})

t.test('a deployment with snapshots of its own asks nobody, whatever is down or new', async t => {
  testFolder(t)
  const remote = new RemoteStorage(join(t.testdirName, 'remote'))
  const { writer: before, folder, snapshotDir } = deploy(t, 'one', remote)
  await before.createSnapshot('a')
  await before.completeReplicas()
  await before.close()
  const added = new RemoteStorage(join(t.testdirName, 'added'), 'added')
  for (const storage of [remote, added]) storage.isDown = true
  const { writer } = hostOn(t, folder, remote, { storage: [new LocalStorage(snapshotDir), remote, added] })
  t.match(await writer.getSnapshot('latest'), { name: 'a' })
})

/** Keeps a storage from telling what it has until it may. */
function silence (remote: RemoteStorage): () => void {
  const { list } = remote
  const goOn = Promise.withResolvers<void>()
  remote.list = async function * (prefix) {
    await goOn.promise
    yield * list.call(remote, prefix)
  }
  return goOn.resolve
}

t.test('where the catalog was lost, a snapshot that one storage has is found while another one does not answer', async t => {
  testFolder(t)
  const remote = new RemoteStorage(join(t.testdirName, 'remote'))
  const made = deploy(t, 'made', remote)
  const { id } = await made.writer.createSnapshot('a')
  await made.writer.completeReplicas()
  await loseCatalog(made)
  const answer = silence(remote)
  const { writer, path } = hostOn(t, made.folder, remote)
  t.match(await writer.getSnapshot(id), { name: 'a' })
  t.match(await writer.restoreFromSnapshot('a'), { status: 'SUCCESS' })
  t.match(await writer.restoreToFile('a', `${path}.a`), { snapshot: { id } })
  let answered = 0
  const count = async (work: Promise<unknown>): Promise<unknown> => await work.finally(() => { answered++ })
  const waiting = Promise.all([count(writer.getSnapshot('latest')), count(writer.updateSnapshot('a', { pinned: true })), count(t.rejects(writer.getSnapshot('b'), { code: 'FST_SNAPSHOT_NOT_FOUND' }))])
  await writer.settle()
  t.equal(answered, 0, '`latest`, a change and a name that nobody knows wait')
  answer()
  await waiting
  await writer.completeReplicas()
  t.match(await jsonIn(remote, `app/marks/${id}.json`), { pinned: true }, 'the change is in all storages')
})

t.test('the same on a blank machine', async t => {
  const { main, storages } = await setUp(t)
  const answer = silence(main)
  const { writer } = blankHost(t, main, storages())
  t.match(await writer.getSnapshot('old'), { name: 'old' })
  answer()
  t.match(await writer.getSnapshot('latest'), { name: 'new' })
})

t.test('where the catalog was lost, a name that only another deployment is known to have is waited for: it may be one\'s own', async t => {
  const made = await setUp(t)
  const [main, second] = made.storages() as [RemoteStorage, RemoteStorage]
  const other = deploy(t, 'other', second, { storage: second })
  await other.writer.createSnapshot('new')
  await loseCatalog(made)
  const answer = silence(main)
  const { writer } = hostOn(t, made.folder, main, { storage: [main, second] })
  t.match(await writer.getSnapshot('old'), { name: 'old' })
  const found = writer.getSnapshot('new')
  answer()
  t.not((await found).source, (await other.writer.getSnapshot('new')).source)
})

t.test('a new storage that does not answer holds up no deployment that has snapshots of its own', async t => {
  testFolder(t)
  const remote = new RemoteStorage(join(t.testdirName, 'remote'))
  const { writer: before, folder, snapshotDir } = deploy(t, 'one', remote, { storage: new LocalStorage(join(t.testdirName, 'one', 'backups')) })
  await before.createSnapshot('a')
  await before.listSnapshots()
  await before.close()
  const answer = silence(remote)
  const { writer } = hostOn(t, folder, remote, { storage: [new LocalStorage(snapshotDir), remote] })
  for (const reference of ['latest', 'a']) t.match(await writer.getSnapshot(reference), { name: 'a' })
  answer()
})

t.test('a snapshot that was deleted, or lost, while an operation waited for its turn is not found any more', async t => {
  const { context, writer } = openContext(t)
  const { id } = await writer.createSnapshot('a')
  t.equal(presentSnapshot(context, id).name, 'a')
  await writer.deleteSnapshot('a')
  t.throws(() => presentSnapshot(context, id), { code: 'FST_SNAPSHOT_NOT_FOUND' }, 'its row says that it was deleted')
  const lost = '00000000-0000-4000-8000-000000000000'
  t.throws(() => presentSnapshot(context, lost), { code: 'FST_SNAPSHOT_NOT_FOUND', message: new RegExp(`${lost} any more`) })
})
