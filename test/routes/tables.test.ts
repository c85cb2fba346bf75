import Database from 'better-sqlite3'
import t from 'tap'
import { startHost, VIEWER_TOKEN } from '../helpers/host.ts'
import { flipBit } from '../helpers/damage.ts'
import { packsIn } from '../helpers/sharing.ts'

t.test('a viewer sees what is in a snapshot: tables, rows and schema', async t => {
  const { app, request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'one' })
  const response = await app.inject({ url: '/snapshots/one/contents', headers: { authorization: `Bearer ${VIEWER_TOKEN}` } })
  t.equal(response.statusCode, 200)
  t.match(response.json(), { tables: [{ name: 'items', kind: 'table', rows: 100, columns: [{ name: 'id', keyPosition: 1 }, { name: 'text' }, { name: 'data' }] }], indexes: [{ name: 'items_text', table: 'items' }] })
  t.equal((await app.inject('/snapshots/one/contents')).statusCode, 401)
})

t.test('a viewer sees how the live database differs from a snapshot, so a loss can be counted', async t => {
  const { app, path, request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'one' })
  new Database(path).exec("DELETE FROM items WHERE id <= 10; UPDATE items SET text = 'changed' WHERE id = 11; INSERT INTO items (text) VALUES ('new'); CREATE TABLE other (a)").close()
  const response = await app.inject({ url: '/snapshots/latest/diff', headers: { authorization: `Bearer ${VIEWER_TOKEN}` } })
  t.match(response.json(), {
    tables: [{ name: 'items', snapshotRows: 100, liveRows: 91, onlyInSnapshot: 10, onlyInLive: 1, changed: 1 }, { name: 'other', snapshotRows: null, liveRows: 0 }],
    schema: [{ type: 'table', name: 'other', snapshot: null }]
  })
  t.same((await app.snapshots.diffSnapshot('one')).tables, response.json().tables)
})

t.test('names of every length', async t => {
  const { request } = await startHost(t)
  const name = 'n'.repeat(128)
  await request('POST', '/snapshots', { name })
  t.equal((await request('GET', `/snapshots/${name}/contents`)).statusCode, 200)
  t.equal((await request('GET', `/snapshots/${name}/diff`)).statusCode, 200)
})

t.test('a snapshot that is not there, failed, or is damaged, is told of as with a restore', async t => {
  const { app, request, snapshotDir } = await startHost(t)
  for (const what of ['contents', 'diff']) t.equal((await request('GET', `/snapshots/nothing/${what}`)).statusCode, 404)
  await request('POST', '/snapshots', { name: 'one' })
  flipBit(packsIn(snapshotDir)[0]!, 0.2)
  for (const what of ['contents', 'diff']) t.match((await request('GET', `/snapshots/one/${what}`)).json(), { statusCode: 422, code: 'FST_SNAPSHOT_DAMAGED' })
  await t.rejects(app.snapshots.inspectSnapshot('one'), { code: 'FST_SNAPSHOT_DAMAGED' })
})
