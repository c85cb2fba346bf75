import { and, eq, inArray, isNull, not, sql, type SQL } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { snapshots, USABLE, type Replica, type SnapshotRow } from './schema.ts'

/** How many snapshots are in one state in a storage, and since when. */
export interface ReplicaCount { storage: string, state: Replica['state'], count: number, oldest: string }

/** As in the index, word by word; else it would not be used. */
const isIncomplete = sql`${snapshots.replicas} glob '*"state":"[PDM]*'`

/** Snapshots of this deployment. The plus keeps SQLite from preferring an index for it to one that leads to fewer rows. */
export const isOwn = (catalog: Catalog): SQL => sql`+${snapshots.source} = ${catalog.source}`

/** Snapshots that are, or are to be, in a storage. */
export const isIn = (storage: string): SQL => sql`exists (select 1 from json_each(${snapshots.replicas}) where value ->> 'storage' = ${storage})`

/**
 * Notes where the copy of a snapshot in one storage stands; `null` when it is there no more.
 * @returns the row, or undefined where the snapshot was deleted: then only `null` changes anything
 */
export function recordReplica (catalog: Catalog, id: string, storage: string, state: Replica['state'] | null): SnapshotRow | undefined {
  return catalog.write(database => {
    const row = database.select().from(snapshots).where(eq(snapshots.id, id)).get()
    if (row === undefined || (row.deletedAt !== null && state !== null)) return undefined
    const isKnown = row.replicas.some(replica => replica.storage === storage)
    const kept = row.replicas.flatMap(replica => replica.storage !== storage ? [replica] : state === null ? [] : [{ storage, state }])
    const replicas = isKnown || state === null ? kept : [...kept, { storage, state }]
    return database.update(snapshots).set({ replicas }).where(eq(snapshots.id, id)).returning().get()
  })
}

/** Notes that the copy in one storage was found sound, unless it is in another state by now than when that was begun. */
export function recordSound (catalog: Catalog, { id, replicas: before }: SnapshotRow, storage: string): void {
  const stateIn = (replicas: Replica[]): Replica['state'] | undefined => replicas.find(replica => replica.storage === storage)?.state
  catalog.write(database => {
    const row = database.select().from(snapshots).where(eq(snapshots.id, id)).get()
    if (row === undefined || stateIn(row.replicas) !== stateIn(before)) return
    const replicas = row.replicas.map((replica): Replica => replica.storage === storage ? { storage, state: 'STORED' } : replica)
    database.update(snapshots).set({ replicas }).where(eq(snapshots.id, id)).run()
  })
}

/**
 * Notes that a storage has all of a snapshot, with its marks of one revision.
 * @returns false where they have changed meanwhile; of a deleted snapshot nothing is noted, and there is no more to do
 */
export function recordCopied (catalog: Catalog, id: string, storage: string, marksRevision: number): boolean {
  return catalog.write(database => {
    const row = database.select().from(snapshots).where(eq(snapshots.id, id)).get()
    if (row === undefined || row.deletedAt !== null) return true
    if (row.marksRevision !== marksRevision) return false
    const replicas = row.replicas.map((replica): Replica => replica.storage === storage ? { storage, state: 'STORED' } : replica)
    database.update(snapshots).set({ replicas }).where(eq(snapshots.id, id)).run()
    return true
  })
}

/** Ids of this deployment's snapshots whose copy in a storage is still to be made, or made again; the newest first. */
export function snapshotsToCopy (catalog: Catalog, database: string, storage: string): string[] {
  const needs = sql`exists (select 1 from json_each(${snapshots.replicas}) where value ->> 'storage' = ${storage} and value ->> 'state' <> 'STORED')`
  return catalog.read(query => query.select({ id: snapshots.id }).from(snapshots)
    .where(and(eq(snapshots.database, database), isNull(snapshots.deletedAt), isIncomplete, isOwn(catalog), needs))
    .orderBy(sql`${snapshots.sequence} desc`).all()).map(({ id }) => id)
}

/** Ids of this deployment's usable snapshots that are not, and are not to be, in a storage. */
export function snapshotsLacking (catalog: Catalog, database: string, storage: string): string[] {
  return catalog.read(query => query.select({ id: snapshots.id }).from(snapshots)
    .where(and(eq(snapshots.database, database), isNull(snapshots.deletedAt), eq(snapshots.source, catalog.source), inArray(snapshots.status, USABLE), not(isIn(storage)))).all()).map(({ id }) => id)
}

/** How many copies are not as they should be. */
export function countIncomplete (catalog: Catalog, database: string): ReplicaCount[] {
  const [storage, state] = [sql<string>`replica.value ->> 'storage'`, sql<Replica['state']>`replica.value ->> 'state'`]
  return catalog.read(query => query
    .select({ storage, state, count: sql<number>`count(*)`, oldest: sql<string>`min(${snapshots.createdAt})` })
    .from(sql`${snapshots}, json_each(${snapshots.replicas}) as replica`)
    .where(and(eq(snapshots.database, database), isNull(snapshots.deletedAt), isIncomplete, sql`${state} <> 'STORED'`))
    .groupBy(storage, state).all())
}

/** This deployment's snapshots that are, or are to be, in a storage, the newest first. */
export function snapshotsIn (catalog: Catalog, database: string, storage: string): SnapshotRow[] {
  return catalog.read(query => query.select().from(snapshots)
    .where(and(eq(snapshots.database, database), isNull(snapshots.deletedAt), eq(snapshots.source, catalog.source),
      isIn(storage)))
    .orderBy(sql`${snapshots.sequence} desc`).all())
}
