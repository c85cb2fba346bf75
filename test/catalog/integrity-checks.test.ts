import t from 'tap'
import { lastIntegrityCheck, recordIntegrityCheck } from '../../src/catalog/integrity-checks.ts'
import { openCatalog } from '../helpers/catalogs.ts'

const sound = { database: 'app', isHealthy: true, errors: [], unchecked: [], checkedAt: '2026-11-22T10:00:00.000Z', durationMs: 12 }
const damaged = { ...sound, isHealthy: false, errors: ['row 5 missing from index a'], unchecked: ['index b'], checkedAt: '2026-11-22T11:00:00.000Z', durationMs: 0 }

t.test('a database that was never checked has no last check', async t => {
  t.equal(lastIntegrityCheck(openCatalog(t), 'app'), undefined)
})

t.test('the last check of each database is kept, with all that was found', async t => {
  const catalog = openCatalog(t)
  recordIntegrityCheck(catalog, sound)
  t.strictSame(lastIntegrityCheck(catalog, 'app'), sound)
  recordIntegrityCheck(catalog, { ...sound, database: 'other' })
  recordIntegrityCheck(catalog, damaged)
  t.strictSame(lastIntegrityCheck(catalog, 'app'), damaged)
  t.strictSame(lastIntegrityCheck(catalog, 'other'), { ...sound, database: 'other' })
  recordIntegrityCheck(catalog, sound)
  t.strictSame(lastIntegrityCheck(catalog, 'app'), sound)
})
