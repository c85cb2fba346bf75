import { join } from 'node:path'
import t from 'tap'
import { SnapshotWriter } from '../../src/index.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'

t.test('a snapshot can be created, listed and restored', async t => {
  const folder = t.testdir()
  const path = join(folder, 'app.db')
  const database = makeDatabase(path)
  const writer = new SnapshotWriter({ database: path })
  t.teardown(async () => { database.close(); await writer.close() })
  const before = contentOf(path)

  const snapshot = await writer.createSnapshot('first', { labels: { reason: 'test' } })
  t.match(snapshot, { name: 'first', status: 'COMPLETED', database: 'app', integrity: 'ok', labels: { reason: 'test' } })
  database.exec('DELETE FROM items; CREATE TABLE other (a)')
  const restored = await writer.restoreFromSnapshot('first')
  t.match(restored, { status: 'SUCCESS', snapshot: { status: 'SUCCESS' } })
  t.same(contentOf(path), before)
})
