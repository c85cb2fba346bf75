import { join } from 'node:path'
import t from 'tap'
import type { StorageSettings } from '../../../src/options-storages.ts'
import { errors } from '../../../src/index.ts'
import { StorageListing } from '../../../src/snapshots/replicas/storage-listing.ts'
import { testFolder } from '../../helpers/folder.ts'
import { openContext } from '../../helpers/open-context.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'

t.test('who looks again, or anew, while a listing is under way, waits for it and lists once more, whatever became of it', async t => {
  const storage = new RemoteStorage(join(testFolder(t), 'remote'))
  const { context } = openContext(t, { storage })
  const listing = new StorageListing(context, context.storages[0] as StorageSettings, new AbortController().signal)
  const { list } = storage
  let failures = 0
  storage.list = async function * (prefix) {
    if (failures-- > 0) throw new errors.StorageUnavailableError('remote', 'it is down')
    yield * list.call(storage, prefix)
  }
  for (const ask of [async () => { await listing.listAnew() }, async () => { await listing.lookAgain(true) }]) {
    failures = 1
    const underWay = listing.list()
    const asked = ask()
    await t.rejects(underWay, { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
    await asked
    t.equal(listing.isMissing, false)
  }
})
