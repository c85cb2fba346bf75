import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import type { SnapshotRow } from '../../../src/catalog/schema.ts'
import { findById } from '../../../src/catalog/snapshots.ts'
import { encodeMarks } from '../../../src/format/marks.ts'
import { marksKey } from '../../../src/format/keys.ts'
import { LocalStorage, SnapshotWriter } from '../../../src/index.ts'
import { snapshotSettings } from '../../../src/options.ts'
import { SnapshotContext } from '../../../src/snapshots/context.ts'
import { copySnapshot } from '../../../src/snapshots/replicas/copy-snapshot.ts'
import { makeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'

t.test('a snapshot that another deployment has taken over meanwhile is left as it is there', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const remote = new RemoteStorage(join(t.testdirName, 'remote'))
  const context = new SnapshotContext(snapshotSettings({ database: path, storage: [new LocalStorage(join(t.testdirName, 'backups')), remote], probeStorage: false }))
  const writer = new SnapshotWriter(context)
  t.teardown(async () => { await writer.close() })
  const { id } = await writer.createSnapshot('a')
  await writer.completeReplicas()
  await remote.put(marksKey('app', id), encodeMarks({ source: randomUUID(), revision: 9, pinned: true, labels: {}, deletedAt: null }))
  remote.puts.length = 0
  await copySnapshot(context, findById(context.catalog, id) as SnapshotRow, remote, new AbortController().signal)
  t.same(remote.puts, [])
  t.match(await writer.getSnapshot(id), { replicas: [{ storage: 'local', state: 'STORED' }, { storage: 'remote', state: 'STORED' }] })
})
