import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { errors, LocalStorage, type PutOptions, type SnapshotWriter } from '../../src/index.ts'
import { packKey } from '../../src/format/keys.ts'
import { addSnapshot, openCatalog } from '../helpers/catalogs.ts'
import { filesIn } from '../helpers/damage.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'
import { writerFor } from '../helpers/round-trip.ts'

/** Stores a manifest and is gone before it can say so. */
class VanishingStorage extends RemoteStorage {
  isVanishing = false

  override async put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ bytes: number }> {
    const stored = await super.put(key, body, options)
    if (!this.isVanishing || !key.includes('/snapshots/')) return stored
    this.isDown = true
    throw new errors.StorageUnavailableError(this.name, 'it is gone')
  }
}

class RefusingStorage extends RemoteStorage {
  refusal: Error = new errors.StorageDeniedError(this.name, 'nobody may look for unfinished uploads')

  override async removePartialWrites (): Promise<void> {
    throw this.refusal
  }
}

function setUp<S extends RemoteStorage> (t: Test, Storage: new (root: string) => S): { storage: S, writer: SnapshotWriter, change: (text: string) => void, backups: string } {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path)
  t.teardown(() => { application.close() })
  const storage = new Storage(join(t.testdirName, 'remote'))
  const change = (text: string): void => { application.prepare('UPDATE items SET text = ?').run(text) }
  return { storage, change, backups: join(t.testdirName, 'backups'), writer: writerFor(t, path, { storage }) }
}

for (const isChanged of [true, false]) {
  t.test(`the manifest of a failed creation that could not be taken back goes with the next creation, the database ${isChanged ? 'changed' : 'unchanged'}`, async t => {
    const { storage, writer, change } = setUp(t, VanishingStorage)
    const { id: first } = await writer.createSnapshot('first')
    if (isChanged) change('b')
    storage.isVanishing = true
    await t.rejects(writer.createSnapshot('b'), { code: 'FST_SNAPSHOT_CREATE_FAILED', message: /it is gone/ })
    Object.assign(storage, { isVanishing: false, isDown: false })
    t.equal(readdirSync(join(storage.root, 'app', 'snapshots')).length, 2)

    const { id } = await writer.createSnapshot('b')
    t.same(readdirSync(join(storage.root, 'app', 'snapshots')), [`${first}.json`, `${id}.json`].sort())
    t.match(await writer.verifySnapshot('b'), { isHealthy: true })
    for (const { id } of (await writer.listSnapshots()).snapshots) await writer.deleteSnapshot(id)
    t.same(filesIn(storage.root), [])
  })
}

t.test('a network failure while the shared packs are looked at again is said to be one', async t => {
  class UnsureStorage extends RemoteStorage {
    isUnsure = false

    override async head (key: string): ReturnType<RemoteStorage['head']> {
      if (this.isUnsure && this.puts.at(-1)?.includes('/snapshots/') === true && key.includes('/packs/')) throw new errors.StorageUnavailableError(this.name, 'it did not answer')
      return await super.head(key)
    }
  }
  const { storage, writer } = setUp(t, UnsureStorage)
  await writer.createSnapshot('first')
  storage.puts = []
  storage.isUnsure = true
  await t.rejects(writer.createSnapshot('b'), { code: 'FST_SNAPSHOT_CREATE_FAILED', message: /"remote".*it did not answer/ })
})

t.test('where nobody may look for unfinished uploads, creations are settled and removed all the same', async t => {
  const { storage, writer, backups, change } = setUp(t, RefusingStorage)
  const { id } = addSnapshot(openCatalog(t, backups), 'killed', { status: 'CREATING', source: (await writer.createSnapshot('a')).source, replicas: [] })
  await writer.settle()
  t.match(await writer.getSnapshot(id), { status: 'FAILED', error: { code: 'FST_SNAPSHOT_INTERRUPTED' } })
  await writer.deleteSnapshot(id)
  change('b')
  storage.refused = /packs/
  await t.rejects(writer.createSnapshot('b'), { code: 'FST_SNAPSHOT_CREATE_FAILED' })
  await writer.deleteSnapshot('b')
  await writer.deleteSnapshot('a')
  t.same(filesIn(storage.root), [])
})

t.test('where the storage fails, a killed creation is settled later', async t => {
  const { storage, writer, backups } = setUp(t, RefusingStorage)
  storage.refusal = new errors.StorageUnavailableError(storage.name, 'it is down')
  const { id } = addSnapshot(openCatalog(t, backups), 'killed', { status: 'CREATING', source: (await writer.createSnapshot('a')).source, replicas: [] })
  await t.rejects(writer.settle(), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
  t.match(await writer.getSnapshot(id), { status: 'CREATING' })
})

t.test('what a killed copy has left in another storage goes when it is made again', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const [first, second] = [new LocalStorage(join(t.testdirName, 'first'), 'first'), new RemoteStorage(join(t.testdirName, 'second'), 'second')]
  const writer = writerFor(t, path, { storage: [first, second] })
  second.isDown = true
  const { id } = await writer.createSnapshot('a')
  const folder = join(second.root, dirname(packKey('app', id)))
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `.${randomUUID()}.partial`), 'a part')
  second.isDown = false
  await writer.completeReplicas()
  t.same(readdirSync(folder), ['data.zst'])
})
