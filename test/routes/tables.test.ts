import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import { TablesRestoreResult } from '../../src/schemas/responses.ts'
import { query } from '../helpers/bank.ts'
import { flipBit } from '../helpers/damage.ts'
import { contentOf } from '../helpers/databases.ts'
import { fitsSchema } from '../helpers/fits-schema.ts'
import { startHost, VIEWER_TOKEN, type Host } from '../helpers/host.ts'
import { change } from '../helpers/recoverable.ts'
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

/** A host with two tables, the rows of one of which refer to those of the other, and the snapshot `one`, changed since. */
async function hostWithOrders (t: Test): Promise<Host> {
  const host = await startHost(t)
  change(host.path, 'CREATE TABLE orders (id INTEGER PRIMARY KEY, item INTEGER REFERENCES items (id)); INSERT INTO orders VALUES (1, 1), (2, 2)')
  await host.request('POST', '/snapshots', { name: 'one' })
  change(host.path, "DELETE FROM orders WHERE id = 1; UPDATE orders SET item = 5 WHERE id = 2; INSERT INTO orders VALUES (3, 3); DELETE FROM items WHERE id = 50; UPDATE items SET text = 'since' WHERE id = 51")
  return host
}

const ordersIn = (path: string): unknown => query(path, "SELECT group_concat(id || ' of ' || item, ', ') FROM orders ORDER BY id")

t.test('POST /snapshots/:name/restore-tables gives tables the rows of the snapshot, and leaves the others alone', async t => {
  const { request, path } = await hostWithOrders(t)
  const before = contentOf(path)
  const response = await request('POST', '/snapshots/one/restore-tables', { tables: ['orders'] })
  t.equal(response.statusCode, 200)
  const result = response.json()
  fitsSchema(t, TablesRestoreResult, result)
  t.match(result, { snapshot: 'one', mode: 'replace', tables: [{ name: 'orders', isNew: false, deletedRows: 2, insertedRows: 2 }], staleIndexes: [] })
  t.equal(ordersIn(path), '1 of 1, 2 of 2')
  t.equal(query(path, "SELECT count(*) FROM items WHERE text = 'since'"), 1)
  t.same(contentOf(result.preRestoreBackup), before)
  t.match((await request('GET', '/snapshots/recovery')).json(), { backups: [{ path: result.preRestoreBackup, snapshot: 'one' }], restores: [{ id: result.restoreId, kind: 'tables', snapshot: 'one', status: 'SUCCESS' }] })
})

t.test('with the mode missing-rows only rows are added whose key is not there', async t => {
  const { request, path } = await hostWithOrders(t)
  const response = await request('POST', '/snapshots/latest/restore-tables', { tables: ['orders', 'items'], mode: 'missing-rows' })
  t.match(response.json(), { mode: 'missing-rows', tables: [{ name: 'orders', deletedRows: 0, insertedRows: 1 }, { name: 'items', deletedRows: 0, insertedRows: 1 }] })
  fitsSchema(t, TablesRestoreResult, response.json())
  t.equal(ordersIn(path), '1 of 1, 2 of 5, 3 of 3')
  t.equal(query(path, "SELECT count(*) FROM items WHERE text = 'since'"), 1)
})

t.test('tables that cannot be restored are told of, and nothing is changed', async t => {
  const { request, path } = await hostWithOrders(t)
  change(path, "INSERT INTO items (id, text) VALUES (900, 'new'); INSERT INTO orders VALUES (900, 900)")
  const content = contentOf(path)
  for (const [tables, message] of [[['nothing'], /nothing/], [['orders', 'nothing'], /nothing/], [['items'], /1 of "orders" would refer to rows of "items" that are not there/]] as const) {
    const response = await request('POST', '/snapshots/one/restore-tables', { tables })
    t.equal(response.statusCode, 409)
    t.match(response.json(), { code: 'FST_SNAPSHOT_NOT_RESTORABLE', message })
  }
  t.same(contentOf(path), content)
  t.match((await request('GET', '/snapshots/recovery')).json().restores, [{ status: 'FAILED' }, { status: 'FAILED' }, { status: 'FAILED' }])
})

t.test('a body that does not name tables is refused', async t => {
  const { request, path } = await hostWithOrders(t)
  const content = contentOf(path)
  for (const body of [undefined, {}, { tables: [] }, { tables: 'orders' }, { tables: [''] }, { tables: [3] }, { tables: ['orders'], mode: 'merge' }, { tables: ['orders'], force: true }]) {
    const response = await request('POST', '/snapshots/one/restore-tables', body)
    t.equal(response.statusCode, 400)
    t.equal(response.json().code, 'FST_SNAPSHOT_INVALID_REQUEST')
  }
  t.same(contentOf(path), content)
})

t.test('only an admin restores tables, of a snapshot that is there and may be restored', async t => {
  const { app, request, path, snapshotDir } = await hostWithOrders(t)
  const content = contentOf(path)
  const body = { tables: ['orders'] }
  for (const [statusCode, headers] of [[401, {}], [403, { authorization: `Bearer ${VIEWER_TOKEN}` }]] as const) {
    t.equal((await app.inject({ method: 'POST', url: '/snapshots/one/restore-tables', headers, payload: body })).statusCode, statusCode)
  }
  t.equal((await request('POST', '/snapshots/none/restore-tables', body)).statusCode, 404)
  flipBit(packsIn(snapshotDir)[0]!, 0.2)
  t.match((await request('POST', '/snapshots/one/restore-tables', body)).json(), { statusCode: 422, code: 'FST_SNAPSHOT_DAMAGED' })
  t.same(contentOf(path), content)
})
