import t from 'tap'
import { DURATION_BUCKETS, increment, observeSeconds, readMetric, setGauge } from '../../src/catalog/metric-values.ts'
import { openCatalog } from '../helpers/catalogs.ts'

t.test('a metric without values has none', async t => {
  t.same(readMetric(openCatalog(t), 'app', 'counter'), new Map())
})

t.test('a counter counts for each database, name and label by itself', async t => {
  const catalog = openCatalog(t)
  catalog.write(database => {
    increment(database, 'app', 'counter')
    increment(database, 'app', 'counter', '', 2.5)
    increment(database, 'app', 'counter', 'failed')
    increment(database, 'app', 'other')
    increment(database, 'other', 'counter', '', 10)
  })
  t.same(readMetric(catalog, 'app', 'counter'), new Map([['', 3.5], ['failed', 1]]))
  t.same(readMetric(catalog, 'app', 'other'), new Map([['', 1]]))
  t.same(readMetric(catalog, 'other', 'counter'), new Map([['', 10]]))
})

t.test('a gauge has the value that was set last', async t => {
  const catalog = openCatalog(t)
  for (const value of [1_790_000_000, 5, 0]) {
    catalog.write(database => { setGauge(database, 'app', 'gauge', value) })
    t.same(readMetric(catalog, 'app', 'gauge'), new Map([['', value]]))
  }
})

t.test('a duration is counted in every bucket that it fits into', async t => {
  const catalog = openCatalog(t)
  for (const seconds of [0, 0.1, 0.11, 59.9, 3600, 3600.5]) catalog.write(database => { observeSeconds(database, 'app', 'seconds', seconds) })
  const values = readMetric(catalog, 'app', 'seconds')
  t.equal(values.get('count'), 6)
  t.ok(Math.abs(Number(values.get('sum')) - 7260.61) < 1e-6)
  t.same(DURATION_BUCKETS.map(bound => values.get(String(bound))), [2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5])
  t.equal(values.size, DURATION_BUCKETS.length + 2)
})

t.test('the buckets rise', async t => {
  t.same([...DURATION_BUCKETS], [...DURATION_BUCKETS].sort((a, b) => a - b))
})
