import { desc, eq, sql } from 'drizzle-orm'
import type { DrillReport } from '../snapshots/drills/drill-report.ts'
import type { Catalog } from './catalog.ts'
import { setGauge } from './metric-values.ts'
import { drills } from './schema.ts'

/** The order in which they ended. Their times do not tell it: clocks are set back. */
const RECORDED = sql`drills.rowid`

/** Keeps the outcome of a drill, for people and for metrics. */
export function recordDrill (catalog: Catalog, report: DrillReport): void {
  catalog.write(change => {
    change.insert(drills).values({ id: report.id, database: report.database, startedAt: report.startedAt, report }).onConflictDoNothing().run()
    setGauge(change, report.database, 'snapshot_last_drill_timestamp', Math.floor(Date.parse(report.startedAt) / 1000))
    setGauge(change, report.database, 'snapshot_last_drill_success', Number(report.isSuccess))
    setGauge(change, report.database, 'snapshot_drill_duration_seconds', report.durationMs / 1000)
  })
}

/** The last drills, the newest first. */
export function listDrills (catalog: Catalog, database: string, limit: number): DrillReport[] {
  return catalog.read(query => query.select({ report: drills.report }).from(drills).where(eq(drills.database, database)).orderBy(desc(RECORDED)).limit(limit).all()).map(({ report }) => report)
}
