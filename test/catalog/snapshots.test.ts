import Database from 'better-sqlite3'
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { readMetric } from '../../src/catalog/metric-values.ts'
import type { SnapshotRow } from '../../src/catalog/schema.ts'
import { findLatest, findSnapshot, lastEndedCreation, pageOfSnapshots, recordCreated, recordCreationFailed, snapshotsWithStatus, updateSnapshotRow, usableSnapshots } from '../../src/catalog/snapshots.ts'
import { addSnapshot, openCatalog } from '../helpers/catalogs.ts'

const error = { code: 'FST_SNAPSHOT_CREATE_FAILED', message: 'Failed' }
const cancelled = { code: 'FST_SNAPSHOT_CANCELLED', message: 'Cancelled' }
const deletedAt = '2026-11-22T12:00:00.000Z'
const taken = { code: 'SQLITE_CONSTRAINT_UNIQUE' }
const value = (catalog: Catalog, name: string): number | undefined => readMetric(catalog, 'app', name).get('')

t.test('each snapshot gets the next place in the order of its database, deleted and failed ones counted', async t => {
  const catalog = openCatalog(t)
  const before = Date.now()
  const { sequence } = addSnapshot(catalog, 'a', { deletedAt })
  t.ok(sequence >= before, 'above those of a catalog that was lost')
  const ahead = addSnapshot(catalog, 'b', { status: 'FAILED', sequence: Date.now() + 3_600_000 }).sequence
  t.equal(addSnapshot(catalog, 'c').sequence, ahead + 1, 'also where the clock was set back')
  addSnapshot(catalog, 'd', { source: randomUUID(), sequence: ahead + 9 })
  t.equal(addSnapshot(catalog, 'e').sequence, ahead + 2, 'another deployment\'s do not count')
  t.ok(addSnapshot(catalog, 'a', { database: 'other' }).sequence < ahead)
  t.match(findSnapshot(catalog, 'app', 'c'), { pinned: false, labels: {}, replicas: [], encrypted: false, error: null, parentId: null, marksRevision: 0 })
})

t.test('a name is taken while a snapshot of the same database has it', async t => {
  const catalog = openCatalog(t)
  for (const status of ['CREATING', 'COMPLETED', 'SUCCESS'] as const) {
    addSnapshot(catalog, status, { status })
    t.throws(() => addSnapshot(catalog, status), taken)
  }
  t.ok(addSnapshot(catalog, 'COMPLETED', { database: 'other' }))
})

t.test('the name of a failed and of a deleted snapshot is free again', async t => {
  const catalog = openCatalog(t)
  const failed = addSnapshot(catalog, 'one', { status: 'CREATING' })
  recordCreationFailed(catalog, failed.id, error, deletedAt)
  const second = addSnapshot(catalog, 'one')
  t.throws(() => addSnapshot(catalog, 'one'), taken)
  updateSnapshotRow(catalog, second.id, { deletedAt })
  const third = addSnapshot(catalog, 'one')
  t.equal(findSnapshot(catalog, 'app', 'one')?.id, third.id)
})

t.test('a snapshot is found by name and by id, in its own database', async t => {
  const catalog = openCatalog(t)
  const row = addSnapshot(catalog, 'one')
  t.same(findSnapshot(catalog, 'app', 'one'), row)
  t.same(findSnapshot(catalog, 'app', row.id), row)
  t.equal(findSnapshot(catalog, 'other', 'one'), undefined)
  t.equal(findSnapshot(catalog, 'app', 'ONE'), undefined)
  t.equal(findSnapshot(catalog, 'app', 'on'), undefined)
})

t.test('of several with one name the usable one is found, else the newest, and no deleted one', async t => {
  const catalog = openCatalog(t)
  addSnapshot(catalog, 'one', { status: 'FAILED' })
  const newestFailed = addSnapshot(catalog, 'one', { status: 'FAILED' })
  t.equal(findSnapshot(catalog, 'app', 'one')?.id, newestFailed.id)
  const usable = addSnapshot(catalog, 'one')
  addSnapshot(catalog, 'one', { status: 'FAILED' })
  t.equal(findSnapshot(catalog, 'app', 'one')?.id, usable.id)
  updateSnapshotRow(catalog, usable.id, { deletedAt })
  t.equal(findSnapshot(catalog, 'app', usable.id), undefined)
  t.equal(findSnapshot(catalog, 'app', 'one')?.status, 'FAILED')
})

t.test('a change gives the changed row, or undefined where there is none', async t => {
  const catalog = openCatalog(t)
  const { id } = addSnapshot(catalog, 'one')
  t.match(updateSnapshotRow(catalog, id, { pinned: true, labels: { a: 'b' }, replicas: [{ storage: 'local', state: 'STORED' }] }), { id, pinned: true, labels: { a: 'b' }, replicas: [{ storage: 'local', state: 'STORED' }] })
  t.equal(updateSnapshotRow(catalog, 'missing', { pinned: true }), undefined)
})

t.test('a completed creation is counted, timed and measured', async t => {
  const catalog = openCatalog(t)
  const { id } = addSnapshot(catalog, 'one', { status: 'CREATING', createdAt: '2026-11-22T10:00:00.900Z' })
  t.match(recordCreated(catalog, id, { durationMs: 1500, size: 8192, storedSize: 900, integrity: 'ok' }, [id]), { id, status: 'COMPLETED', durationMs: 1500, size: 8192 })
  t.equal(value(catalog, 'snapshot_creations_total'), 1)
  t.equal(value(catalog, 'snapshot_creation_failures_total'), undefined)
  t.equal(value(catalog, 'snapshot_last_created_timestamp'), Date.parse('2026-11-22T10:00:00Z') / 1000)
  t.equal(value(catalog, 'snapshot_size_bytes'), 8192)
  t.equal(value(catalog, 'snapshot_stored_bytes'), 900)
  t.match(readMetric(catalog, 'app', 'snapshot_creation_duration_seconds'), new Map([['sum', 1.5], ['count', 1]]))
})

t.test('a completed creation of unknown size is counted with 0 bytes', async t => {
  const catalog = openCatalog(t)
  recordCreated(catalog, addSnapshot(catalog, 'one', { status: 'CREATING' }).id, { durationMs: 1 }, [])
  t.equal(value(catalog, 'snapshot_size_bytes'), 0)
  t.equal(value(catalog, 'snapshot_stored_bytes'), 0)
})

t.test('evidence of a damaged database is counted but is not the last good snapshot', async t => {
  const catalog = openCatalog(t)
  recordCreated(catalog, addSnapshot(catalog, 'one', { status: 'CREATING' }).id, { durationMs: 1, integrity: 'failed' }, [])
  t.equal(value(catalog, 'snapshot_creations_total'), 1)
  t.equal(value(catalog, 'snapshot_last_created_timestamp'), undefined)
})

t.test('a failed creation is counted, a cancelled one is not', async t => {
  const catalog = openCatalog(t)
  const add = (name: string): SnapshotRow => addSnapshot(catalog, name, { status: 'CREATING', replicas: [{ storage: 'local', state: 'PENDING' }] })
  t.match(recordCreationFailed(catalog, add('one').id, error, deletedAt), { status: 'FAILED', error, completedAt: deletedAt, replicas: [] })
  t.match(recordCreationFailed(catalog, add('two').id, cancelled, deletedAt), { status: 'FAILED', error: cancelled })
  t.equal(value(catalog, 'snapshot_creations_total'), 1)
  t.equal(value(catalog, 'snapshot_creation_failures_total'), 1)
})

t.test('the latest is the newest sound and usable snapshot, of the own source first', async t => {
  const catalog = openCatalog(t)
  t.equal(findLatest(catalog, 'app'), undefined)
  const foreign = addSnapshot(catalog, 'foreign', { source: 'other' })
  t.equal(findLatest(catalog, 'app')?.id, foreign.id)
  const first = addSnapshot(catalog, 'first', { status: 'SUCCESS', createdAt: '2026-11-22T09:00:00.000Z' })
  const second = addSnapshot(catalog, 'second', { createdAt: '2026-11-22T08:00:00.000Z', integrity: 'unchecked' })
  for (const change of [{ status: 'CREATING' }, { status: 'FAILED' }, { integrity: 'failed' }, { deletedAt }, { source: 'other' }, { database: 'other' }] as const) addSnapshot(catalog, JSON.stringify(change), change)
  t.equal(findLatest(catalog, 'app')?.id, second.id, 'by order, not by clocks')
  t.equal(findLatest(catalog, 'app', '2026-11-22T08:00:00.000Z')?.id, second.id)
  updateSnapshotRow(catalog, second.id, { deletedAt })
  t.equal(findLatest(catalog, 'app', '2026-11-22T09:30:00.000Z')?.id, first.id)
  t.equal(findLatest(catalog, 'app', '2026-11-22T07:00:00.000Z'), undefined)
})

t.test('statuses are looked for oldest first, and deleted snapshots left out', async t => {
  const catalog = openCatalog(t)
  for (const [name, change] of [['a', {}], ['b', { status: 'SUCCESS' }], ['c', { status: 'FAILED' }], ['d', {}], ['e', { deletedAt }], ['f', { database: 'other' }]] as const) addSnapshot(catalog, name, change)
  t.same(snapshotsWithStatus(catalog, 'app', ['COMPLETED', 'SUCCESS']).map(row => row.name), ['a', 'b', 'd'])
  t.same(snapshotsWithStatus(catalog, 'app', ['CREATING']), [])
})

t.test('the last creation that ended is the newest that was neither cancelled nor is under way, deleted or not', async t => {
  const catalog = openCatalog(t)
  t.equal(lastEndedCreation(catalog, 'app'), undefined)
  addSnapshot(catalog, 'a')
  addSnapshot(catalog, 'b', { status: 'FAILED', error })
  addSnapshot(catalog, 'c', { status: 'FAILED', error: cancelled })
  addSnapshot(catalog, 'd', { status: 'CREATING' })
  t.equal(lastEndedCreation(catalog, 'app')?.name, 'b')
  addSnapshot(catalog, 'e', { deletedAt })
  t.equal(lastEndedCreation(catalog, 'app')?.name, 'e')
  for (let number = 0; number < 25; number++) addSnapshot(catalog, 'cancelled', { status: 'FAILED', error: cancelled })
  t.equal(lastEndedCreation(catalog, 'app')?.name, 'e', 'however many were cancelled since')
})

for (const order of ['asc', 'desc'] as const) {
  t.test(`the list in the order ${order} can be read in pages of any size`, async t => {
    const catalog = openCatalog(t)
    for (let number = 1; number <= 7; number++) addSnapshot(catalog, `s${number}`, { sequence: Math.ceil(number / 2) })
    addSnapshot(catalog, 'deleted', { deletedAt })
    addSnapshot(catalog, 'elsewhere', { database: 'other' })
    const { rows: all, more } = pageOfSnapshots(catalog, 'app', { limit: 7, order })
    t.notOk(more)
    t.equal(new Set(all.map(row => row.name)).size, 7)
    t.same(all.map(row => row.sequence), order === 'asc' ? [1, 1, 2, 2, 3, 3, 4] : [4, 3, 3, 2, 2, 1, 1])
    for (let limit = 1; limit <= 8; limit++) {
      const seen: SnapshotRow[] = []
      for (let after: SnapshotRow | undefined; ;) {
        const page = pageOfSnapshots(catalog, 'app', { limit, order, ...(after && { after }) })
        seen.push(...page.rows)
        after = page.rows.at(-1)
        t.equal(page.more, seen.length < 7)
        if (!page.more) break
        t.equal(page.rows.length, limit)
      }
      t.same(seen, all)
    }
  })
}

t.test('the list is newest first and can be that of one status', async t => {
  const catalog = openCatalog(t)
  addSnapshot(catalog, 'a')
  addSnapshot(catalog, 'b', { status: 'FAILED' })
  addSnapshot(catalog, 'c')
  t.same(pageOfSnapshots(catalog, 'app', { limit: 5 }).rows.map(row => row.name), ['c', 'b', 'a'])
  t.same(pageOfSnapshots(catalog, 'app', { limit: 5, status: 'COMPLETED' }).rows.map(row => row.name), ['c', 'a'])
  t.match(pageOfSnapshots(catalog, 'app', { limit: 1, status: 'COMPLETED' }), { rows: [{ name: 'c' }], more: true })
})

t.test("the runbook's query on the catalog gives the snapshots there are", async t => {
  const catalog = openCatalog(t)
  for (let number = 0; number < 12; number++) addSnapshot(catalog, `s${number}`, { createdAt: `2026-11-22T10:00:${10 + number}.000Z`, size: number })
  updateSnapshotRow(catalog, findSnapshot(catalog, 'app', 's10')?.id as string, { deletedAt })
  updateSnapshotRow(catalog, findSnapshot(catalog, 'app', 's11')?.id as string, { status: 'SUCCESS', lastRestoredAt: deletedAt })
  const sqlite = new Database(catalog.path, { readonly: true })
  t.teardown(() => { sqlite.close() })
  const rows = sqlite.prepare('SELECT name, status, size, createdAt, lastRestoredAt FROM Snapshot ORDER BY createdAt DESC LIMIT 10').all()
  t.equal(rows.length, 10)
  t.strictSame(rows.slice(0, 2), [
    { name: 's11', status: 'SUCCESS', size: 11, createdAt: '2026-11-22T10:00:21.000Z', lastRestoredAt: deletedAt },
    { name: 's9', status: 'COMPLETED', size: 9, createdAt: '2026-11-22T10:00:19.000Z', lastRestoredAt: null }
  ])
})

t.test('usable snapshots are read so many at a time, all of them', async t => {
  const catalog = openCatalog(t)
  for (const name of ['a', 'b', 'c', 'd']) addSnapshot(catalog, name)
  addSnapshot(catalog, 'failed', { status: 'FAILED' })
  for (const limit of [1, 2, 3, 4, 5]) t.same([...usableSnapshots(catalog, 'app', limit)].map(({ name }) => name), ['a', 'b', 'c', 'd'])
})

t.test('of several other deployments the newest snapshot in time is the latest, and one that has no sound one has none', async t => {
  const catalog = openCatalog(t)
  const hours = ['10', '12', '11']
  for (const [number, hour] of hours.entries()) addSnapshot(catalog, `at-${hour}`, { source: `source-${number}`, sequence: 10 - number, createdAt: `2026-11-22T${hour}:00:00.000Z` })
  addSnapshot(catalog, 'damaged', { source: 'source-3', integrity: 'failed', createdAt: '2026-11-22T13:00:00.000Z' })
  t.equal(findLatest(catalog, 'app')?.name, 'at-12')
  t.equal(findLatest(catalog, 'app', '2026-11-22T11:30:00.000Z')?.name, 'at-11')
})
