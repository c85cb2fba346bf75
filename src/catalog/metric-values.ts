import { and, eq, sql } from 'drizzle-orm'
import type { Catalog, CatalogDatabase } from './catalog.ts'
import { metricValues } from './schema.ts'

/** Upper bounds of the duration histograms, in seconds. */
export const DURATION_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600] as const

/** Adds to a counter. */
export function increment (database: CatalogDatabase, of: string, name: string, label = '', by = 1): void {
  database.insert(metricValues).values({ database: of, name, label, value: by })
    .onConflictDoUpdate({ target: [metricValues.database, metricValues.name, metricValues.label], set: { value: sql`${metricValues.value} + ${by}` } }).run()
}

/** Sets a gauge. */
export function setGauge (database: CatalogDatabase, of: string, name: string, value: number): void {
  database.insert(metricValues).values({ database: of, name, label: '', value })
    .onConflictDoUpdate({ target: [metricValues.database, metricValues.name, metricValues.label], set: { value } }).run()
}

/** The same by itself. */
export function recordGauge (catalog: Catalog, of: string, name: string, value: number): void {
  catalog.write(change => { setGauge(change, of, name, value) })
}

/** Adds an observation to a histogram of durations. */
export function observeSeconds (database: CatalogDatabase, of: string, name: string, seconds: number): void {
  for (const bound of DURATION_BUCKETS) {
    if (seconds <= bound) increment(database, of, name, String(bound))
  }
  increment(database, of, name, 'sum', seconds)
  increment(database, of, name, 'count')
}

/** All values of one metric by label. */
export function readMetric (catalog: Catalog, of: string, name: string): Map<string, number> {
  const rows = catalog.read(database => database.select().from(metricValues)
    .where(and(eq(metricValues.database, of), eq(metricValues.name, name))).all())
  return new Map(rows.map(row => [row.label, row.value]))
}

/** All values of all metrics, by name and label. */
export function readMetrics (catalog: Catalog, of: string): Map<string, Map<string, number>> {
  const rows = catalog.read(database => database.select().from(metricValues).where(eq(metricValues.database, of)).all())
  return new Map([...Map.groupBy(rows, ({ name }) => name)].map(([name, values]) => [name, new Map(values.map(({ label, value }) => [label, value]))]))
}
