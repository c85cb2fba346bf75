import { and, asc, eq, inArray, isNotNull, like, ne, sql } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { snapshotPacks, snapshots, USABLE, type SnapshotStatus } from './schema.ts'
import { present } from './snapshots.ts'

/** How many snapshots there are of each status, those of other deployments included. */
export function countSnapshots (catalog: Catalog, database: string): Map<SnapshotStatus, number> {
  const rows = catalog.read(query => query.select({ status: snapshots.status, count: sql<number>`count(*)` }).from(snapshots).where(present(database)).groupBy(snapshots.status).all())
  return new Map(rows.map(({ status, count }) => [status, count]))
}

/** When the oldest usable snapshot of this deployment was made. */
export function oldestCreatedAt (catalog: Catalog, database: string): string | undefined {
  return catalog.read(query => query.select({ createdAt: snapshots.createdAt }).from(snapshots)
    .where(and(present(database), eq(snapshots.source, catalog.source), inArray(snapshots.status, USABLE))).orderBy(asc(snapshots.sequence)).limit(1).get())?.createdAt
}

/** Bytes of this deployment in a storage: of snapshots that are there, and of deleted ones whose packs they share. */
export function storedBytes (catalog: Catalog, database: string, storage: string): number {
  const isThere = like(snapshots.replicas, `%"storage":"${storage}","state":"STORED"%`)
  const own = and(present(database), sql`+${snapshots.source} = ${catalog.source}`, isThere)
  return catalog.read(query => {
    const bytes = { bytes: sql<number>`coalesce(sum(${snapshots.storedSize}), 0)` }
    const there = query.select(bytes).from(snapshots).where(own).all()
    // A pack has the id of the snapshot that it was stored for.
    const shared = query.select({ id: snapshotPacks.packId }).from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId)).where(and(own, ne(snapshotPacks.packId, snapshotPacks.snapshotId)))
    const left = query.select(bytes).from(snapshots).where(and(isNotNull(snapshots.deletedAt), inArray(snapshots.id, shared))).all()
    return [...there, ...left].reduce((sum, { bytes }) => sum + bytes, 0)
  })
}
