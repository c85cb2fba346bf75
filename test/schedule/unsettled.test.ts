import Database from 'better-sqlite3'
import { join } from 'node:path'
import t from 'tap'
import { errors } from '../../src/index.ts'
import { customHost } from '../helpers/custom-host.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'
import { writerFor } from '../helpers/round-trip.ts'
import { waitUntil } from '../helpers/wait-until.ts'

t.test('what cannot be settled yet keeps neither the host from starting nor operations from running, and the log says so', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const storage = new RemoteStorage(join(t.testdirName, 'remote'))
  const earlier = writerFor(t, path, { storage })
  await earlier.createSnapshot('interrupted')
  await earlier.close()
  new Database(join(t.testdirName, 'backups', 'catalog.db')).exec("UPDATE snapshots SET status = 'CREATING', completedAt = NULL").close()
  const { removePartialWrites } = storage
  storage.removePartialWrites = async () => { throw new errors.StorageUnavailableError('remote', 'it cannot list') }
  const { log, request } = await customHost(t, path, { plugin: { storage } })
  const lines = (): number => log.filter(({ msg }) => /What an earlier process left was not settled yet: .*it cannot list/.test(msg)).length
  await waitUntil('the start says so', () => lines() === 1)
  t.equal((await request('POST', '/snapshots', { name: 'next' })).statusCode, 201)
  t.equal(lines(), 2)
  storage.removePartialWrites = removePartialWrites
  await request('POST', '/snapshots/next/verify')
  t.match((await request('GET', '/snapshots/interrupted')).json(), { status: 'COMPLETED' })
})
