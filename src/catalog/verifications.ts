import { and, asc, eq, inArray, sql } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { increment, setGauge } from './metric-values.ts'
import { isOwn } from './replicas.ts'
import { snapshots, USABLE, type SnapshotRow } from './schema.ts'
import { present } from './snapshots.ts'

/** Keeps the outcome of a verification. */
export function recordVerified (catalog: Catalog, { id, database }: SnapshotRow, isHealthy: boolean, checkedAt: string): void {
  catalog.write(change => {
    change.update(snapshots).set({ checkedAt, ...isHealthy && { verifiedAt: checkedAt } }).where(eq(snapshots.id, id)).run()
    if (isHealthy) setGauge(change, database, 'snapshot_last_verified_timestamp', Math.floor(Date.parse(checkedAt) / 1000))
    else increment(change, database, 'snapshot_verification_failures_total')
  })
}

/** Notes when one was looked at last, whatever came of it: the others have their turn. */
export function recordLookedAt (catalog: Catalog, id: string, checkedAt: string | null): void {
  catalog.write(change => { change.update(snapshots).set({ checkedAt }).where(eq(snapshots.id, id)).run() })
}

/** The snapshot of this deployment whose turn it is: the one it is longest ago for that it was looked at, or made. */
export function nextToVerify (catalog: Catalog, database: string): { id: string } | undefined {
  return catalog.read(query => query.select({ id: snapshots.id }).from(snapshots)
    .where(and(present(database), isOwn(catalog), inArray(snapshots.status, USABLE))).orderBy(asc(sql`coalesce(${snapshots.checkedAt}, ${snapshots.createdAt})`), asc(snapshots.sequence)).limit(1).get())
}
