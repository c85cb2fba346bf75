import { randomUUID } from 'node:crypto'
import t from 'tap'
import { insertFound, type FoundSnapshot } from '../../src/catalog/found-snapshots.ts'
import { readMetric } from '../../src/catalog/metric-values.ts'
import { findLatest, recordNewest } from '../../src/catalog/snapshots.ts'
import { firstFree } from '../../src/snapshots/snapshot-name.ts'
import { addSnapshot, openCatalog } from '../helpers/catalogs.ts'

const free = (name: string, isTaken: (name: string) => boolean): string => firstFree(name, '-', isTaken)
const found = (name: string, source: string, id = randomUUID()): FoundSnapshot => ({
  row: { id, database: 'app', name, source, status: 'COMPLETED', trigger: 'manual', sequence: 1, createdAt: '2026-11-22T10:00:00.000Z', deletedAt: null, integrity: 'ok' }, marks: null, packs: [id], storage: 's3', state: 'STORED'
})

t.test('what is known already is not entered again, and a name that is taken gets a number', async t => {
  const catalog = openCatalog(t)
  const [source, id] = [randomUUID(), randomUUID()]
  t.same(insertFound(catalog, [found('a', source, id)], free), new Set([id]))
  t.same(insertFound(catalog, [found('a', source, id)], free), new Set())
  insertFound(catalog, [found('a', source)], free)
  t.same(catalog.read(database => database.all<{ name: string }>('SELECT name FROM snapshots ORDER BY name')).map(row => Object.values(row)[0]), ['a', 'a-2'])
})

t.test('of several others\' newest snapshots the latest in time is the latest', async t => {
  const catalog = openCatalog(t)
  for (const [name, createdAt, sequence] of [['old', '2026-11-20T10:00:00.000Z', 9], ['new', '2026-11-22T10:00:00.000Z', 1], ['older', '2026-11-19T10:00:00.000Z', 5]] as const) addSnapshot(catalog, name, { source: randomUUID(), createdAt, sequence })
  addSnapshot(catalog, 'gone', { source: randomUUID(), replicas: [{ storage: 's3', state: 'MISSING' }] })
  t.equal(findLatest(catalog, 'app')?.name, 'new')
})

t.test('metrics tell of the newest snapshot of this deployment, where there is one', async t => {
  const catalog = openCatalog(t)
  addSnapshot(catalog, 'other', { source: randomUUID() })
  recordNewest(catalog, 'app')
  t.equal(readMetric(catalog, 'app', 'snapshot_last_created_timestamp').size, 0)
  addSnapshot(catalog, 'own', { createdAt: '2026-11-22T10:00:00.000Z' })
  recordNewest(catalog, 'app')
  t.equal(readMetric(catalog, 'app', 'snapshot_last_created_timestamp').get(''), Date.parse('2026-11-22T10:00:00.000Z') / 1000)
  t.equal(readMetric(catalog, 'app', 'snapshot_size_bytes').get(''), 0)
})
