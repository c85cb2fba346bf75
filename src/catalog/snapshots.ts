import { and, asc, desc, eq, getTableColumns, inArray, isNotNull, isNull, like, lte, max, ne, sql, type SQL } from 'drizzle-orm'
import type { Catalog, CatalogDatabase } from './catalog.ts'
import { increment, observeSeconds, setGauge } from './metric-values.ts'
import { isOwn } from './replicas.ts'
import { recordPacks } from './snapshot-packs.ts'
import { snapshots, USABLE, type RecordedError, type SnapshotRow, type SnapshotStatus } from './schema.ts'

export interface SnapshotQuery {
  limit: number
  status?: SnapshotStatus
  order?: 'asc' | 'desc'
  /** Only what comes after this one in the order. */
  after?: { sequence: number, id: string }
}

/** Snapshots of a database that are not deleted. */
export const present = (database: string): SQL | undefined => and(eq(snapshots.database, database), isNull(snapshots.deletedAt))

/**
 * The next row to fill. Its sequence is above the highest of this deployment, whatever the clock says, and else the time in
 * milliseconds: so it is also above those of a catalog that was lost, or of a deployment that is taken over later.
 */
export function insertSnapshot (catalog: Catalog, row: Omit<typeof snapshots.$inferInsert, 'sequence'>): SnapshotRow {
  const now = Date.now() // the change may be made once more, later, where the disk is full
  return catalog.write(database => {
    const last = database.select({ sequence: max(snapshots.sequence) }).from(snapshots).where(and(eq(snapshots.database, row.database), isOwn(catalog))).get()
    return database.insert(snapshots).values({ ...row, sequence: Math.max((last?.sequence ?? 0) + 1, now) }).returning().get()
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
    if (row.integrity !== 'failed') describeNewest(database, row)
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

/**
 * By id or name, deleted ones left out; of one name, the usable one of this deployment, else another's, else the newest. What an
 * index leads to is looked at by its id, too: a damaged one would lead to another snapshot, and SQLite takes the name from it.
 */
export function findSnapshot (catalog: Catalog, database: string, reference: string): SnapshotRow | undefined {
  const rowsBy = (column: 'id' | 'name'): SnapshotRow[] => catalog.read(query => query.select().from(snapshots)
    .where(and(present(database), eq(snapshots[column], reference)))
    .orderBy(desc(snapshots.sequence)).all()).filter(({ id }) => findById(catalog, id)?.[column] === reference)
  const named = rowsBy('name')
  const usable = named.filter(row => row.status !== 'FAILED')
  return usable.find(row => row.source === catalog.source) ?? usable[0] ?? named[0] ?? rowsBy('id')[0]
}

/** By id, a deleted one as well. */
export function findById (catalog: Catalog, id: string): SnapshotRow | undefined {
  return catalog.read(query => query.select().from(snapshots).where(eq(snapshots.id, id)).get())
}

/** Whether a name belongs to a snapshot of this deployment, or of another one. */
export function isNameTaken (catalog: Catalog, database: string, name: string, source = catalog.source): boolean {
  return catalog.read(query => isUsed(query, database, name, source))
}

/**
 * The newest snapshot that is sound and stored as far as is known: this deployment's, and only where it has none, another's. The
 * numbers of two deployments are counted apart, so of several others' newest ones the time decides.
 */
export function findLatest (catalog: Catalog, database: string, before?: string): SnapshotRow | undefined {
  const newestOf = (source: string): SnapshotRow | undefined => catalog.read(query => query.select().from(snapshots)
    .where(and(present(database), eq(snapshots.source, source), inArray(snapshots.status, USABLE), ne(snapshots.integrity, 'failed'), like(snapshots.replicas, '%"STORED"%'), before === undefined ? undefined : lte(snapshots.createdAt, before)))
    .orderBy(desc(snapshots.sequence)).limit(1).get())
  const newestOfOthers = (): SnapshotRow | undefined => otherSources(catalog, database).flatMap(({ id }) => newestOf(id) ?? []).toSorted((a, b) => a.createdAt < b.createdAt ? 1 : -1)[0]
  return newestOf(catalog.source) ?? newestOfOthers()
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

/** All rows of this deployment of some statuses, oldest first. */
export function snapshotsWithStatus (catalog: Catalog, database: string, statuses: SnapshotStatus[]): SnapshotRow[] {
  return catalog.read(query => query.select().from(snapshots)
    .where(and(present(database), isOwn(catalog), inArray(snapshots.status, statuses))).orderBy(asc(snapshots.sequence)).all())
}

/** Deleted snapshots of this deployment of which something is still stored. */
export function unfinishedDeletions (catalog: Catalog, database: string): SnapshotRow[] {
  return catalog.read(query => query.select(getTableColumns(snapshots)).from(snapshots)
    .where(and(eq(snapshots.database, database), isNotNull(snapshots.deletedAt), sql`${snapshots.replicas} <> '[]'`, isOwn(catalog))).all())
}

/** The newest creation of this deployment that ended, by success or by a failure that was not a cancellation. */
export function lastEndedCreation (catalog: Catalog, database: string): SnapshotRow | undefined {
  return catalog.read(query => query.select(getTableColumns(snapshots)).from(snapshots)
    .where(and(eq(snapshots.database, database), eq(snapshots.source, catalog.source), sql`${snapshots.status} <> 'CREATING'`, sql`${snapshots.error} ->> 'code' is not 'FST_SNAPSHOT_CANCELLED'`))
    .orderBy(desc(snapshots.sequence)).limit(1).get())
}

/** Whether a deployment has a snapshot of a name. */
export function isUsed (query: CatalogDatabase, database: string, name: string, source: string): boolean {
  return query.select({ id: snapshots.id }).from(snapshots)
    .where(and(present(database), eq(snapshots.name, name), eq(snapshots.source, source), ne(snapshots.status, 'FAILED'))).limit(1).all().length > 0
}

/** Sets what metrics say of the newest snapshot of this deployment, where snapshots came that it did not make just now. */
export function recordNewest (catalog: Catalog, database: string): void {
  const row = catalog.read(query => query.select().from(snapshots)
    .where(and(present(database), eq(snapshots.source, catalog.source), inArray(snapshots.status, USABLE), ne(snapshots.integrity, 'failed')))
    .orderBy(desc(snapshots.sequence)).limit(1).get())
  if (row !== undefined) catalog.write(change => { describeNewest(change, row) })
}

function describeNewest (change: CatalogDatabase, { database, createdAt, size, storedSize }: SnapshotRow): void {
  setGauge(change, database, 'snapshot_last_created_timestamp', Math.floor(Date.parse(createdAt) / 1000))
  setGauge(change, database, 'snapshot_size_bytes', size ?? 0)
  setGauge(change, database, 'snapshot_stored_bytes', storedSize ?? 0)
}

/** Rows by their ids, deleted ones as well. */
export function findByIds (catalog: Catalog, ids: string[]): Map<string, SnapshotRow> {
  const rows = catalog.read(query => query.select().from(snapshots).where(inArray(snapshots.id, ids)).all())
  return new Map(rows.map(row => [row.id, row]))
}

/** All usable snapshots in the order of their sequence, so many read at a time. */
export function * usableSnapshots (catalog: Catalog, database: string, limit: number): Generator<SnapshotRow> {
  let [rows, after]: [SnapshotRow[], { sequence: number, id: string }] = [[], { sequence: -1, id: '' }]
  do {
    rows = catalog.read(query => query.select().from(snapshots)
      .where(and(present(database), inArray(snapshots.status, USABLE), sql`(${snapshots.sequence}, ${snapshots.id}) > (${after.sequence}, ${after.id})`))
      .orderBy(asc(snapshots.sequence), asc(snapshots.id)).limit(limit).all())
    yield * rows
    after = rows.at(-1) ?? after
  } while (rows.length === limit)
}

/** Other deployments whose snapshots are known. */
export function otherSources (catalog: Catalog, database: string): Array<{ id: string, host: string | null, snapshots: number }> {
  return catalog.read(query => query.select({ id: snapshots.source, host: sql<string | null>`max(${snapshots.sourceHost})`, snapshots: sql<number>`count(*)` })
    .from(snapshots).where(and(present(database), ne(snapshots.source, catalog.source))).groupBy(snapshots.source).all())
}

/** Snapshots of a sound database, those of this deployment first, the newest first; read as they are asked for. */
export function * usableNewestFirst (catalog: Catalog, database: string): Generator<SnapshotRow> {
  for (const whose of [eq(snapshots.source, catalog.source), ne(snapshots.source, catalog.source)]) {
    const ids = catalog.read(query => query.select({ id: snapshots.id }).from(snapshots)
      .where(and(present(database), whose, inArray(snapshots.status, USABLE), ne(snapshots.integrity, 'failed')))
      .orderBy(desc(snapshots.sequence)).all())
    for (const { id } of ids) {
      const row = findById(catalog, id)
      if (row !== undefined) yield row
    }
  }
}
