import { and, asc, desc, eq, getTableColumns, inArray, isNotNull, isNull, like, lte, max, ne, sql, type SQL } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { increment, observeSeconds, setGauge } from './metric-values.ts'
import { recordPacks } from './snapshot-packs.ts'
import { snapshots, USABLE, type RecordedError, type SnapshotRow, type SnapshotStatus } from './schema.ts'

export interface SnapshotQuery {
  limit: number
  status?: SnapshotStatus
  order?: 'asc' | 'desc'
  /** Only what comes after this one in the order. */
  after?: { sequence: number, id: string }
}

const present = (database: string): SQL | undefined => and(eq(snapshots.database, database), isNull(snapshots.deletedAt))

/** The next row to fill: its sequence is one above the highest ever used. */
export function insertSnapshot (catalog: Catalog, row: Omit<typeof snapshots.$inferInsert, 'sequence'>): SnapshotRow {
  return catalog.write(database => {
    const last = database.select({ sequence: max(snapshots.sequence) }).from(snapshots).where(eq(snapshots.database, row.database)).get()
    return database.insert(snapshots).values({ ...row, sequence: (last?.sequence ?? 0) + 1 }).returning().get()
  })
}

export function updateSnapshotRow (catalog: Catalog, id: string, change: Partial<SnapshotRow>): SnapshotRow | undefined {
  return catalog.write(database => database.update(snapshots).set(change).where(eq(snapshots.id, id)).returning().get())
}

/** Marks a creation as completed, notes the packs it needs, and counts it. */
export function recordCreated (catalog: Catalog, id: string, result: Partial<SnapshotRow> & { durationMs: number }, packs: readonly string[]): SnapshotRow {
  return catalog.write(database => {
    recordPacks(database, id, packs)
    const row = database.update(snapshots).set({ ...result, status: 'COMPLETED' }).where(eq(snapshots.id, id)).returning().get()
    increment(database, row.database, 'snapshot_creations_total')
    observeSeconds(database, row.database, 'snapshot_creation_duration_seconds', result.durationMs / 1000)
    if (row.integrity === 'failed') return row
    setGauge(database, row.database, 'snapshot_last_created_timestamp', Math.floor(Date.parse(row.createdAt) / 1000))
    setGauge(database, row.database, 'snapshot_size_bytes', row.size ?? 0)
    setGauge(database, row.database, 'snapshot_stored_bytes', row.storedSize ?? 0)
    return row
  })
}

/** Marks a creation as failed and counts it; a cancelled one is no failure of the system and is not counted. */
export function recordCreationFailed (catalog: Catalog, id: string, error: RecordedError, completedAt: string): SnapshotRow {
  return catalog.write(database => {
    const row = database.update(snapshots).set({ status: 'FAILED', error, completedAt, replicas: [] }).where(eq(snapshots.id, id)).returning().get()
    if (error.code !== 'FST_SNAPSHOT_CANCELLED') {
      increment(database, row.database, 'snapshot_creations_total')
      increment(database, row.database, 'snapshot_creation_failures_total')
    }
    return row
  })
}

/** By id or name, deleted ones left out; where a name was used again, the usable one, else the newest. */
export function findSnapshot (catalog: Catalog, database: string, reference: string): SnapshotRow | undefined {
  const rowsBy = (column: typeof snapshots.id | typeof snapshots.name): SnapshotRow[] => catalog.read(query => query.select().from(snapshots)
    .where(and(present(database), eq(column, reference)))
    .orderBy(desc(snapshots.sequence)).all())
  const named = rowsBy(snapshots.name)
  return named.find(row => row.status !== 'FAILED') ?? named[0] ?? rowsBy(snapshots.id)[0]
}

/** The newest snapshot that is sound and stored as far as is known, of one's own source first. */
export function findLatest (catalog: Catalog, database: string, before?: string): SnapshotRow | undefined {
  const newest = (of: SQL): SnapshotRow | undefined => catalog.read(query => query.select().from(snapshots)
    .where(and(present(database), of, inArray(snapshots.status, USABLE), ne(snapshots.integrity, 'failed'), like(snapshots.replicas, '%"STORED"%'), before === undefined ? undefined : lte(snapshots.createdAt, before)))
    .orderBy(desc(snapshots.sequence)).limit(1).get())
  return newest(eq(snapshots.source, catalog.source)) ?? newest(ne(snapshots.source, catalog.source))
}

/** One page of the list and whether there is more. */
export function pageOfSnapshots (catalog: Catalog, database: string, { limit, status, order = 'desc', after }: SnapshotQuery): { rows: SnapshotRow[], more: boolean } {
  const [direction, beyond] = order === 'desc' ? [desc, sql`<`] as const : [asc, sql`>`] as const
  const rows = catalog.read(query => query.select().from(snapshots)
    .where(and(
      present(database),
      status === undefined ? undefined : eq(snapshots.status, status),
      // Compared as a pair, the index leads straight to where the page begins.
      after && sql`(${snapshots.sequence}, ${snapshots.id}) ${beyond} (${after.sequence}, ${after.id})`
    ))
    .orderBy(direction(snapshots.sequence), direction(snapshots.id)).limit(limit + 1).all())
  return { rows: rows.slice(0, limit), more: rows.length > limit }
}

/** All rows of one status, oldest first. */
export function snapshotsWithStatus (catalog: Catalog, database: string, statuses: SnapshotStatus[]): SnapshotRow[] {
  return catalog.read(query => query.select().from(snapshots)
    .where(and(present(database), inArray(snapshots.status, statuses))).orderBy(asc(snapshots.sequence)).all())
}

/** Deleted snapshots of which something is still stored. */
export function unfinishedDeletions (catalog: Catalog, database: string): SnapshotRow[] {
  return catalog.read(query => query.select(getTableColumns(snapshots)).from(snapshots)
    .where(and(eq(snapshots.database, database), isNotNull(snapshots.deletedAt), sql`${snapshots.replicas} <> '[]'`)).all())
}

/** The newest creation that ended, by success or by a failure that was not a cancellation. */
export function lastEndedCreation (catalog: Catalog, database: string): SnapshotRow | undefined {
  return catalog.read(query => query.select(getTableColumns(snapshots)).from(snapshots)
    .where(and(eq(snapshots.database, database), ne(snapshots.status, 'CREATING'), sql`${snapshots.error} ->> 'code' is not 'FST_SNAPSHOT_CANCELLED'`))
    .orderBy(desc(snapshots.sequence)).limit(1).get())
}
