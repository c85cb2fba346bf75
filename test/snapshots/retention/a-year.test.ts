import Database from 'better-sqlite3'
import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { mock } from 'node:test'
import t from 'tap'
import { insertSnapshot, recordCreated } from '../../../src/catalog/snapshots.ts'
import { SnapshotMetrics } from '../../../src/metrics/snapshot-metrics.ts'
import { applyRetention } from '../../../src/snapshots/retention/apply-retention.ts'
import { spanOf } from '../../../src/snapshots/retention/periods.ts'
import { MemoryStorage } from '../../helpers/memory-storage.ts'
import { openContext } from '../../helpers/open-context.ts'

const HOURS = 365 * 24
const HOUR_MS = 60 * 60 * 1000
const FIRST = Date.parse('2026-01-01T00:30:00.000Z')
const RULES = { keepLast: 5, hourly: 24, daily: 7, weekly: 4, monthly: 12, yearly: 2 }

/** What the rules keep of the whole year at once. */
function keptByModel (): Set<string> {
  const times = Array.from({ length: HOURS }, (_, hour) => new Date(FIRST + hour * HOUR_MS)).reverse()
  const kept = new Set(times.slice(0, RULES.keepLast))
  for (const period of ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
    const newest = new Map<number, Date>()
    for (const time of times) if (!newest.has(spanOf(period, time))) newest.set(spanOf(period, time), time)
    for (const time of [...newest.values()].slice(0, RULES[period])) kept.add(time)
  }
  return new Set([...kept].map(time => time.toISOString()))
}

t.test('a year of hourly snapshots ends with exactly what the rules keep, in a catalog that is small', async t => {
  const storage = new MemoryStorage()
  const { context, path } = openContext(t, { storage, retention: { scheduled: RULES } })
  const { catalog } = context
  mock.timers.enable({ apis: ['Date'], now: FIRST })
  t.teardown(() => { mock.timers.reset() })
  for (let hour = 0; hour < HOURS; hour++) {
    mock.timers.setTime(FIRST + hour * HOUR_MS)
    const createdAt = new Date().toISOString()
    const { id } = insertSnapshot(catalog, { id: randomUUID(), database: 'app', name: `s${hour}`, status: 'CREATING', trigger: 'scheduled', source: catalog.source, createdAt })
    recordCreated(catalog, id, { completedAt: createdAt, integrity: 'ok', size: 1_000_000, pageSize: 4096, freePages: 0, storedSize: 10_000, durationMs: 1, replicas: [{ storage: 'memory', state: 'STORED' }] }, [])
    await applyRetention(context, AbortSignal.timeout(60_000))
  }
  const plain = new Database(catalog.path, { readonly: true })
  t.teardown(() => { plain.close() })
  t.same(new Set(plain.prepare('SELECT createdAt FROM Snapshot').pluck().all()), keptByModel())
  t.equal(plain.prepare('SELECT count(*) FROM snapshots').pluck().get(), HOURS, 'the others are tombstones')
  await context.runEngine('checkpoint', { path: catalog.path })
  t.ok(statSync(catalog.path).size < 12_000_000, `${statSync(catalog.path).size} bytes`)

  const metrics = new SnapshotMetrics()
  metrics.add({ context, nextRuns: () => new Map() })
  await metrics.text()
  const started = performance.now()
  for (let round = 0; round < 20; round++) await metrics.text()
  t.comment(`a scrape takes ${((performance.now() - started) / 20).toFixed(2)} ms, the catalog ${statSync(catalog.path).size} bytes (${path})`)
})
