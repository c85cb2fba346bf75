import { and, eq, inArray, isNull, ne, sql } from 'drizzle-orm'
import type { Catalog, CatalogDatabase } from './catalog.ts'
import { isIn, isOwn } from './replicas.ts'
import { damagedPacks, snapshotPacks, snapshots, USABLE } from './schema.ts'

/** Notes which packs a snapshot needs, in place of what was noted before. */
export function recordPacks (database: CatalogDatabase, snapshotId: string, packs: readonly string[]): void {
  database.delete(snapshotPacks).where(eq(snapshotPacks.snapshotId, snapshotId)).run()
  for (const packId of packs) database.insert(snapshotPacks).values({ snapshotId, packId }).run()
}

export function packsOf (catalog: Catalog, snapshotId: string): string[] {
  return catalog.read(database => database.select().from(snapshotPacks).where(eq(snapshotPacks.snapshotId, snapshotId)).all()).map(({ packId }) => packId)
}

/**
 * Which of some packs are needed by a snapshot there is; a failed one may keep packs as well.
 * @param only `except`: leaves out one snapshot; `storage`: looks only at snapshots that are, or are to be, in that storage;
 * `own`: only at this deployment's
 */
export function packsInUse (catalog: Catalog, packs: readonly string[], { except = '', storage, own = false }: { except?: string, storage?: string, own?: boolean } = {}): Set<string> {
  const isThere = storage === undefined ? undefined : sql`(${snapshots.status} = 'FAILED' or ${isIn(storage)})`
  const isOurs = own ? isOwn(catalog) : undefined
  const isInUse = (pack: string): boolean => catalog.read(database => database.select({ id: snapshots.id })
    .from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(eq(snapshotPacks.packId, pack), isNull(snapshots.deletedAt), ne(snapshots.id, except), isThere, isOurs)).limit(1).all()).length > 0
  return new Set(packs.filter(isInUse))
}

/** The snapshots in a storage that need a pack. */
export function snapshotsWithPack (catalog: Catalog, pack: string, storage: string): string[] {
  return catalog.read(database => database.select({ id: snapshots.id })
    .from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(eq(snapshotPacks.packId, pack), isNull(snapshots.deletedAt), inArray(snapshots.status, USABLE), isIn(storage))).all()).map(({ id }) => id)
}

/** Notes that something of some packs is damaged in a storage, for as long as they are there. */
export function recordDamagedPacks (catalog: Catalog, packs: readonly string[], storage: string): void {
  catalog.write(database => { for (const packId of packs) database.insert(damagedPacks).values({ packId, storage }).onConflictDoNothing().run() })
}

export function forgetDamagedPack (catalog: Catalog, pack: string, storage: string): void {
  catalog.write(database => database.delete(damagedPacks).where(and(eq(damagedPacks.packId, pack), eq(damagedPacks.storage, storage))).run())
}

/** Where a pack is damaged, as far as is known. */
export function storagesWithDamage (catalog: Catalog, pack: string): string[] {
  return catalog.read(database => database.select().from(damagedPacks).where(eq(damagedPacks.packId, pack)).all()).map(({ storage }) => storage)
}

/** Which of some packs a new snapshot may refer to, as far as is known: another deployment may remove what only its own need. */
export function packsToShare (catalog: Catalog, packs: readonly string[]): Set<string> {
  return new Set([...packsInUse(catalog, packs, { own: true })].filter(pack => storagesWithDamage(catalog, pack).length === 0))
}

/** Failed snapshots of which packs are kept for the next one. */
export function failedWithPacks (catalog: Catalog, database: string): string[] {
  return catalog.read(query => query.selectDistinct({ id: snapshots.id }).from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(eq(snapshots.database, database), eq(snapshots.status, 'FAILED'), isNull(snapshots.deletedAt))).all()).map(({ id }) => id)
}

/** Which of some packs are needed by some snapshots. Another index leads to that: a damaged one of the two costs no pack. */
export function packsNeededBy (catalog: Catalog, snapshotIds: string[], packs: readonly string[]): string[] {
  return catalog.read(database => database.selectDistinct({ packId: snapshotPacks.packId }).from(snapshotPacks)
    .where(and(inArray(snapshotPacks.snapshotId, snapshotIds), inArray(snapshotPacks.packId, [...packs]))).all()).map(({ packId }) => packId)
}

/** Of which stored snapshots the packs are known here; of others the manifest must be asked. */
export function withKnownPacks (catalog: Catalog, snapshotIds: string[]): Set<string> {
  return new Set(catalog.read(database => database.selectDistinct({ id: snapshots.id }).from(snapshotPacks).innerJoin(snapshots, eq(snapshots.id, snapshotPacks.snapshotId))
    .where(and(inArray(snapshots.id, snapshotIds), isNull(snapshots.deletedAt), inArray(snapshots.status, USABLE))).all()).map(({ id }) => id))
}
