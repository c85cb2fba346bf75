import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LocalStorage, type StoredObject } from '../../../src/index.ts'
import { filesIn } from '../../helpers/damage.ts'
import { allOf, namesOf } from '../../helpers/deployments.ts'
import { writerFor } from '../../helpers/round-trip.ts'
import { packsIn } from '../../helpers/sharing.ts'
import { setUpTwo, waitForStates } from '../../helpers/two-storages.ts'
import { waitUntil } from '../../helpers/wait-until.ts'

/** Local files that tell how often they were listed, and wait before it. */
class ListedStorage extends LocalStorage {
  listed = 0
  before: Promise<void> = Promise.resolve()

  override async * list (prefix: string): ReturnType<LocalStorage['list']> {
    if (prefix === 'app/') this.listed++
    await this.before
    yield * super.list(prefix)
  }
}

t.test('what the catalog has lost of local snapshots, as in a power failure, is found after a start', async t => {
  const { writer: unused, path, local, backups } = setUpTwo(t)
  await unused.close()
  const open = (): typeof unused => writerFor(t, path, { storage: local })
  const before = open()
  await before.createSnapshot('a')
  await before.close()
  cpSync(join(backups, 'catalog.db'), join(t.testdirName, 'catalog.db'))
  const after = open()
  await after.createSnapshot('b')
  await after.close()
  for (const suffix of ['-wal', '-shm']) rmSync(join(backups, `catalog.db${suffix}`), { force: true })
  cpSync(join(t.testdirName, 'catalog.db'), join(backups, 'catalog.db'))
  const writer = open()
  t.same(namesOf(await allOf(writer)), ['a'])
  writer.watchStorages()
  await waitUntil('it is found', async () => (await allOf(writer)).length === 2)
  t.match(await writer.getSnapshot('latest'), { name: 'b' })
})

t.test('local files that are gone are noticed after a start, and made again where another storage has them', async t => {
  const { writer: before, path, local, remote, backups } = setUpTwo(t)
  await before.createSnapshot('a')
  await before.completeReplicas()
  await before.close()
  rmSync(join(backups, 'app'), { recursive: true })
  const writer = writerFor(t, path, { storage: [local, remote] })
  writer.watchStorages()
  await waitUntil('it is made again', () => packsIn(backups).length === 1)
  await waitForStates(writer, 'a', { local: 'STORED', remote: 'STORED' })
})

t.test('where none has them, health says so', async t => {
  const { writer: unused, path, local, backups } = setUpTwo(t)
  await unused.close()
  const before = writerFor(t, path, { storage: local })
  await before.createSnapshot('a')
  await before.close()
  rmSync(packsIn(backups)[0]!)
  const writer = writerFor(t, path, { storage: local })
  writer.watchStorages()
  await waitUntil('it is noticed', () => writer.health().status === 'degraded')
  t.match(writer.health().reasons, [/Copies in storage local that are damaged or missing: 1/])
})

t.test('local files are listed once, and nobody waits for it', async t => {
  const { writer: unused, path, backups } = setUpTwo(t)
  await unused.listSnapshots()
  await unused.close()
  const local = new ListedStorage(backups)
  const listing = Promise.withResolvers<void>()
  local.before = listing.promise
  const writer = writerFor(t, path, { storage: local })
  writer.watchStorages()
  await waitUntil('it is being listed', () => local.listed === 1)
  t.match(await writer.createSnapshot('a'), { status: 'COMPLETED' })
  listing.resolve()
  await writer.createSnapshot('b')
  await writer.completeReplicas()
  t.equal(local.listed, 1)
  t.match(await allOf(writer), [{ name: 'a', replicas: [{ state: 'STORED' }] }, { name: 'b' }])
})

t.test('`completeReplicas` asks a storage that others can reach what it has, before it says that all is there', async t => {
  const { writer, remote } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  rmSync(remote.root, { recursive: true })
  await writer.createSnapshot('b')
  await writer.completeReplicas()
  t.equal(filesIn(join(remote.root, 'app', 'snapshots')).length, 2)
  t.match(await writer.verifySnapshot('a'), { isHealthy: true, replicas: [{ storage: 'local' }, { storage: 'remote' }] })
})

t.test('also where it is being asked already', async t => {
  const { writer, remote } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  const { list } = remote
  const [listed, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  remote.list = async function * (prefix) {
    const objects: StoredObject[] = []
    for await (const object of list.call(remote, prefix)) objects.push(object)
    listed.resolve()
    await goOn.promise
    yield * objects
  }
  const rebuilding = writer.rebuildCatalog()
  await listed.promise
  rmSync(remote.root, { recursive: true })
  remote.list = list
  const completed = writer.completeReplicas()
  goOn.resolve()
  await Promise.all([rebuilding, completed])
  t.equal(packsIn(remote.root).length, 1)
})
