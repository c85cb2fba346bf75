import { and, eq, inArray, isNull, ne } from 'drizzle-orm'
import type { Catalog, CatalogDatabase } from './catalog.ts'
import { snapshotPacks, snapshots, suspectPacks, USABLE } from './schema.ts'

/** Notes which packs a snapshot needs, in place of what was noted before. */
export function recordPacks (database: CatalogDatabase, snapshotId: string, packs: readonly string[]): void {
  database.delete(snapshotPacks).where(eq(snapshotPacks.snapshotId, snapshotId)).run()
  for (const packId of packs) database.insert(snapshotPacks).values({ snapshotId, packId }).run()
}

export function packsOf (catalog: Catalog, snapshotId: string): string[] {
  return catalog.read(database => database.select().from(snapshotPacks).where(eq(snapshotPacks.snapshotId, snapshotId)).all()).map(({ packId }) => packId)
}

/** Which of some packs are needed by a snapshot there is, other than a certain one; a failed one may keep packs as well. */
export function packsInUse (catalog: Catalog, packs: string[], except = ''): Set<string> {
  const rows = catalog.read(database => database.selectDistinct({ packId: snapshotPacks.packId })
    .from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(inArray(snapshotPacks.packId, packs), isNull(snapshots.deletedAt), ne(snapshots.id, except))).all())
  return new Set(rows.map(({ packId }) => packId))
}

/** The snapshots there are that need a pack. */
export function snapshotsWithPack (catalog: Catalog, pack: string): string[] {
  return catalog.read(database => database.select({ id: snapshots.id })
    .from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(eq(snapshotPacks.packId, pack), isNull(snapshots.deletedAt), inArray(snapshots.status, USABLE))).all()).map(({ id }) => id)
}

/** Notes that something of some packs is damaged, for as long as they are there. */
export function recordSuspects (catalog: Catalog, packs: readonly string[]): void {
  catalog.write(database => { for (const packId of packs) database.insert(suspectPacks).values({ packId }).onConflictDoNothing().run() })
}

export function forgetSuspect (catalog: Catalog, pack: string): void {
  catalog.write(database => database.delete(suspectPacks).where(eq(suspectPacks.packId, pack)).run())
}

/** Which of some packs a new snapshot may refer to, as far as is known. */
export function packsToShare (catalog: Catalog, packs: string[]): Set<string> {
  const kept = packsInUse(catalog, packs)
  for (const { packId } of catalog.read(database => database.select().from(suspectPacks).where(inArray(suspectPacks.packId, packs)).all())) kept.delete(packId)
  return kept
}

/** Failed snapshots of which packs are kept for the next one. */
export function failedWithPacks (catalog: Catalog, database: string): string[] {
  return catalog.read(query => query.selectDistinct({ id: snapshots.id }).from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(eq(snapshots.database, database), eq(snapshots.status, 'FAILED'), isNull(snapshots.deletedAt))).all()).map(({ id }) => id)
}

/** Whether the packs that a stored snapshot needs are known here; else its manifest must be asked. */
export function arePacksKnown (catalog: Catalog, snapshotId: string): boolean {
  return catalog.read(database => database.select({ id: snapshots.id }).from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(eq(snapshots.id, snapshotId), isNull(snapshots.deletedAt), inArray(snapshots.status, USABLE))).limit(1).all()).length > 0
}
