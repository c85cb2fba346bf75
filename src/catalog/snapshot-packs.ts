import { and, eq, inArray, isNull, like, sql } from 'drizzle-orm'
import type { Catalog, CatalogDatabase } from './catalog.ts'
import { snapshotPacks, snapshots, USABLE } from './schema.ts'

/** Notes which packs a snapshot needs, in place of what was noted before. */
export function recordPacks (database: CatalogDatabase, snapshotId: string, packs: readonly string[]): void {
  database.delete(snapshotPacks).where(eq(snapshotPacks.snapshotId, snapshotId)).run()
  for (const packId of packs) database.insert(snapshotPacks).values({ snapshotId, packId }).run()
}

export function packsOf (catalog: Catalog, snapshotId: string): string[] {
  return catalog.read(database => database.select().from(snapshotPacks).where(eq(snapshotPacks.snapshotId, snapshotId)).all()).map(({ packId }) => packId)
}

/** Which of some packs are needed by a snapshot there is. */
export function packsInUse (catalog: Catalog, packs: string[]): Set<string> {
  return new Set(selectPacks(catalog, packs).map(({ packId }) => packId))
}

/** Which of some packs a new snapshot may refer to, as far as is known: none that a snapshot with damage in storage needs. */
export function packsToShare (catalog: Catalog, packs: string[]): Set<string> {
  const rows = selectPacks(catalog, packs)
  const damaged = new Set(rows.filter(({ isStored }) => isStored === 0).map(({ packId }) => packId))
  return new Set(rows.map(({ packId }) => packId).filter(id => !damaged.has(id)))
}

function selectPacks (catalog: Catalog, packs: string[]): Array<{ packId: string, isStored: number }> {
  return catalog.read(database => database.selectDistinct({ packId: snapshotPacks.packId, isStored: sql<number>`${like(snapshots.replicas, '%"STORED"%')}` })
    .from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(inArray(snapshotPacks.packId, packs), isNull(snapshots.deletedAt), inArray(snapshots.status, USABLE))).all())
}

/** Failed snapshots of which packs are kept for the next one. */
export function failedWithPacks (catalog: Catalog, database: string): string[] {
  return catalog.read(query => query.selectDistinct({ id: snapshots.id }).from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(eq(snapshots.database, database), eq(snapshots.status, 'FAILED'), isNull(snapshots.deletedAt))).all()).map(({ id }) => id)
}

export function isPresent (catalog: Catalog, snapshotId: string): boolean {
  return catalog.read(database => database.select({ id: snapshots.id }).from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(eq(snapshots.id, snapshotId), isNull(snapshots.deletedAt), inArray(snapshots.status, USABLE))).limit(1).all()).length > 0
}
