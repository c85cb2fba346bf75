import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { errors } from '../../../src/index.ts'
import { StorageReports } from '../../../src/snapshots/replicas/storage-reports.ts'
import { ObservedStorage } from '../../../src/storage/observed-storage.ts'
import { readAll } from '../../../src/storage/storage-key.ts'
import { loseTable } from '../../helpers/lose-table.ts'
import { openContext } from '../../helpers/open-context.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'

/** A storage whose outcomes are noted in a catalog, what that warns of, and a way to damage the catalog. */
function reported (t: Test): { inner: RemoteStorage, storage: ObservedStorage, warnings: string[], damage: () => void } {
  const { context: { catalog } } = openContext(t)
  const warnings: string[] = []
  const reports = new StorageReports(catalog, 'app', { info () {}, error () {}, warn: (_, message) => { warnings.push(message) } })
  const inner = new RemoteStorage(join(dirname(catalog.path), 'remote'))
  const storage = new ObservedStorage(inner, error => { reports.report(inner.name, error) })
  return { inner, storage, warnings, damage: () => { loseTable(dirname(catalog.path), 'storages') } }
}

t.test('where the catalog cannot keep how a storage does, that is logged, and what is asked of the storage goes on', async t => {
  const { inner, storage, warnings, damage } = reported(t)
  damage()
  await storage.put('a', Buffer.from('a'))
  t.match(warnings, [/^How the storage remote does was not noted: .*no such table: storages/])
  t.equal(String(await readAll(await storage.get('a'))), 'a')
  t.equal(warnings.length, 1, 'not for each request')
  inner.isDown = true
  await t.rejects(storage.head('a'), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' }, 'its own error is told')
  t.equal(warnings.length, 2)
})

t.test('also while what it sends is being read', async t => {
  const { storage, warnings, damage } = reported(t)
  await storage.put('a', Buffer.alloc(1_000_000))
  const stream: Readable = await storage.get('a')
  damage()
  stream.destroy(new errors.StorageUnavailableError('remote', 'it is down'))
  await t.rejects(readAll(stream), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
  t.equal(warnings.length, 1)
})
