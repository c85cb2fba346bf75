import t from 'tap'
import { countIncomplete, recordCopied, recordReplica, snapshotsIn, snapshotsLacking, snapshotsToCopy } from '../../src/catalog/replicas.ts'
import { findById, updateSnapshotRow } from '../../src/catalog/snapshots.ts'
import { addSnapshot, openCatalog } from '../helpers/catalogs.ts'

t.test('where each copy stands is noted one by one', async t => {
  const catalog = openCatalog(t)
  const { id } = addSnapshot(catalog, 'a')
  t.match(recordReplica(catalog, id, 's3', 'PENDING')?.replicas, [{ storage: 'local', state: 'STORED' }, { storage: 's3', state: 'PENDING' }])
  t.same(snapshotsToCopy(catalog, 'app', 's3'), [id])
  t.match(countIncomplete(catalog, 'app'), [{ storage: 's3', state: 'PENDING', count: 1 }])
  recordReplica(catalog, id, 's3', 'STORED')
  t.same([snapshotsToCopy(catalog, 'app', 's3'), countIncomplete(catalog, 'app')], [[], []])
  t.same(snapshotsIn(catalog, 'app', 's3').map(row => row.id), [id])
  t.same(recordReplica(catalog, id, 'local', null)?.replicas, [{ storage: 's3', state: 'STORED' }])
  t.same(snapshotsLacking(catalog, 'app', 'local'), [id])
})

t.test('of what is not known or was deleted, only that it is gone can be noted', async t => {
  const catalog = openCatalog(t)
  t.equal(recordReplica(catalog, 'nobody', 's3', 'STORED'), undefined)
  const { id } = addSnapshot(catalog, 'a')
  updateSnapshotRow(catalog, id, { deletedAt: '2026-11-22T10:00:00.000Z' })
  t.equal(recordReplica(catalog, id, 's3', 'STORED'), undefined)
  t.same(recordReplica(catalog, id, 'local', null)?.replicas, [])
})

t.test('a copy is complete with the marks of its time, and of a deleted snapshot there is no more to do', async t => {
  const catalog = openCatalog(t)
  const { id } = addSnapshot(catalog, 'a', { marksRevision: 2, replicas: [{ storage: 'local', state: 'STORED' }, { storage: 's3', state: 'PENDING' }] })
  t.equal(recordCopied(catalog, id, 's3', 1), false)
  t.match(findById(catalog, id)?.replicas, [{}, { state: 'PENDING' }])
  t.equal(recordCopied(catalog, id, 's3', 2), true)
  t.match(findById(catalog, id)?.replicas, [{}, { state: 'STORED' }])
  updateSnapshotRow(catalog, id, { deletedAt: '2026-11-22T10:00:00.000Z' })
  t.equal(recordCopied(catalog, id, 's3', 1), true)
  t.equal(recordCopied(catalog, 'nobody', 's3', 1), true)
})
