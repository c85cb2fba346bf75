import t from 'tap'
import { errors } from '../../../src/index.ts'
import { probeStorage } from '../../../src/snapshots/replicas/probe-storage.ts'
import { filesIn } from '../../helpers/damage.ts'
import { testFolder } from '../../helpers/folder.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'

const { signal } = new AbortController()

t.test('a trial stores, reads and deletes one small object, and leaves nothing', async t => {
  const storage = new RemoteStorage(testFolder(t))
  await probeStorage(storage, 'app', signal)
  t.match(storage.puts, [/^app\/probes\//])
  t.same(filesIn(storage.root), [])
})

t.test('it fails where the storage refuses something', async t => {
  const storage = new RemoteStorage(testFolder(t))
  storage.refused = /probes/
  await t.rejects(probeStorage(storage, 'app', signal), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
})

t.test('it fails where other bytes come back, or none', async t => {
  const storage = new RemoteStorage(testFolder(t))
  const { get } = storage
  storage.get = async (key, options) => await get.call(storage, key, { ...options, range: { offset: 0, length: 3 } })
  await t.rejects(probeStorage(storage, 'app', signal), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /other bytes.*cache/ })
  storage.get = async () => await get.call(storage, 'app/nothing')
  await t.rejects(probeStorage(storage, 'app', signal), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /had just taken/ })
  t.same(filesIn(storage.root), [], 'it is deleted all the same')
})

t.test('a storage that breaks off in the trial is told of as it is', async t => {
  const storage = new RemoteStorage(testFolder(t))
  storage.get = async () => { throw new errors.StorageUnavailableError('remote', 'it broke off') }
  await t.rejects(probeStorage(storage, 'app', signal), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
})
