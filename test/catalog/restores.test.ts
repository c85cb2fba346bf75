import t from 'tap'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { readMetric } from '../../src/catalog/metric-values.ts'
import { advanceRestore, insertRestore, recordRestoreEnded, restoresUnderWay } from '../../src/catalog/restores.ts'
import { restores, type RestoreRow } from '../../src/catalog/schema.ts'
import { openCatalog } from '../helpers/catalogs.ts'

const finishedAt = '2026-11-22T10:00:05.000Z'
const begin = (catalog: Catalog, id: string, database = 'app'): void => {
  insertRestore(catalog, { id, database, snapshotId: 'snapshot-id', kind: 'restore', snapshotName: 'nightly', requestedAt: '2026-11-22T10:00:00.000Z' })
}
const all = (catalog: Catalog): RestoreRow[] => catalog.read(database => database.select().from(restores).orderBy(restores.id).all())

t.test('a restore begins as requested', async t => {
  const catalog = openCatalog(t)
  begin(catalog, '1')
  t.strictSame(all(catalog), [{
    id: '1', database: 'app', snapshotId: 'snapshot-id', snapshotName: 'nightly', status: 'REQUESTED', requestedAt: '2026-11-22T10:00:00.000Z', finishedAt: null, durationMs: null, preRestoreBackup: null, error: null, kind: 'restore', times: { REQUESTED: '2026-11-22T10:00:00.000Z' }, isApplied: null
  }])
  t.throws(() => { begin(catalog, '1') }, { code: 'FST_SNAPSHOT_CATALOG_UNUSABLE', cause: { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' } })
})

t.test('a change is one of the restore it names', async t => {
  const catalog = openCatalog(t)
  begin(catalog, '1')
  begin(catalog, '2')
  advanceRestore(catalog, '2', 'APPLYING', { preRestoreBackup: '/recovery/x.db' })
  t.match(all(catalog), [{ status: 'REQUESTED', preRestoreBackup: null }, { status: 'APPLYING', preRestoreBackup: '/recovery/x.db' }])
})

t.test('restores that have not ended are under way, in their own database', async t => {
  const catalog = openCatalog(t)
  const statuses = ['REQUESTED', 'STAGED', 'BACKED_UP', 'APPLYING', 'VERIFYING', 'SUCCESS', 'FAILED', 'ROLLED_BACK'] as const
  for (const status of statuses) {
    begin(catalog, status)
    advanceRestore(catalog, status, status)
  }
  begin(catalog, 'other', 'other')
  t.same(restoresUnderWay(catalog, 'app').map(row => row.id).sort(), [...statuses.slice(0, 5)].sort())
  t.same(restoresUnderWay(catalog, 'other').map(row => row.id), ['other'])
  t.same(restoresUnderWay(catalog, 'none'), [])
})

t.test('each outcome is recorded and counted, the duration of a success observed', async t => {
  const catalog = openCatalog(t)
  const error = { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: 'Restore failed' }
  for (const id of ['1', '2', '3', '4']) begin(catalog, id)
  recordRestoreEnded(catalog, '1', { status: 'SUCCESS', finishedAt, error: null, durationMs: 2500 })
  recordRestoreEnded(catalog, '2', { status: 'FAILED', finishedAt, error, durationMs: 100 })
  recordRestoreEnded(catalog, '3', { status: 'ROLLED_BACK', finishedAt, error, durationMs: 100 })
  recordRestoreEnded(catalog, '4', { status: 'SUCCESS', finishedAt, error: null, durationMs: 500 })
  t.match(all(catalog), [{ status: 'SUCCESS', finishedAt, durationMs: 2500, error: null }, { status: 'FAILED', error }, { status: 'ROLLED_BACK', error }, { status: 'SUCCESS' }])
  t.same(restoresUnderWay(catalog, 'app'), [])
  t.same(readMetric(catalog, 'app', 'snapshot_restores_total'), new Map([['success', 2], ['failed', 1], ['rolled_back', 1]]))
  const seconds = readMetric(catalog, 'app', 'snapshot_restore_duration_seconds')
  t.equal(seconds.get('count'), 2)
  t.equal(seconds.get('sum'), 3)
})
