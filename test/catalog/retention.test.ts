import t from 'tap'
import { failedBefore, usableOwn } from '../../src/catalog/retention.ts'
import { addSnapshot, openCatalog } from '../helpers/catalogs.ts'

t.test('retention decides about the usable snapshots of this deployment, in pages', async t => {
  const catalog = openCatalog(t)
  for (let number = 1; number <= 5; number++) addSnapshot(catalog, `s${number}`)
  addSnapshot(catalog, 'other', { source: 'another' })
  addSnapshot(catalog, 'failed', { status: 'FAILED' })
  addSnapshot(catalog, 'gone', { deletedAt: '2026-11-22T11:00:00.000Z' })
  addSnapshot(catalog, 'elsewhere', { database: 'users' })
  t.same([...usableOwn(catalog, 'app', 2)].map(page => page.map(({ name }) => name)), [['s1', 's2'], ['s3', 's4'], ['s5']])
  t.same([...usableOwn(catalog, 'none', 2)], [[]])
})

t.test('failed creations are old from a time on', async t => {
  const catalog = openCatalog(t)
  addSnapshot(catalog, 'old', { status: 'FAILED', createdAt: '2026-01-01T00:00:00.000Z' })
  addSnapshot(catalog, 'young', { status: 'FAILED', createdAt: '2026-02-01T00:00:00.000Z' })
  addSnapshot(catalog, 'sound', { createdAt: '2026-01-01T00:00:00.000Z' })
  t.match(failedBefore(catalog, 'app', '2026-01-15T00:00:00.000Z'), [{ name: 'old' }])
})
