import { basename } from 'node:path'
import { and, desc, eq, gt, inArray, isNotNull, sql } from 'drizzle-orm'
import type { Catalog, CatalogDatabase } from './catalog.ts'
import { increment, observeSeconds } from './metric-values.ts'
import { restores, snapshots, type RestoreRow, type RestoreStatus } from './schema.ts'

const UNDER_WAY: RestoreStatus[] = ['REQUESTED', 'STAGED', 'BACKED_UP', 'APPLYING', 'VERIFYING']
/** What counts as a restore in the metrics: a rollback is an outcome of one. */
const COUNTED: Array<RestoreRow['kind']> = ['restore', 'tables', 'reset']
/** The order in which restores began. Their times do not tell it: clocks are set back. */
const BEGUN = sql`restores.rowid`

export function insertRestore (catalog: Catalog, row: Pick<RestoreRow, 'id' | 'database' | 'snapshotId' | 'snapshotName' | 'requestedAt' | 'kind'>): void {
  catalog.write(database => database.insert(restores).values({ ...row, status: 'REQUESTED', times: { REQUESTED: row.requestedAt } }).run())
}

/** Notes how far a restore has come, and when. */
export function advanceRestore (catalog: Catalog, id: string, status: RestoreStatus, change: Partial<Pick<RestoreRow, 'preRestoreBackup' | 'isApplied' | 'snapshotId' | 'snapshotName'>> = {}, at = new Date().toISOString()): void {
  catalog.write(database => { advance(database, id, status, change, at) })
}

function advance (database: CatalogDatabase, id: string, status: RestoreStatus, change: Partial<RestoreRow>, at: string): RestoreRow | undefined {
  const { times = {} } = database.select({ times: restores.times }).from(restores).where(eq(restores.id, id)).get() ?? {}
  return database.update(restores).set({ ...change, status, times: { ...times, [status]: at } }).where(eq(restores.id, id)).returning().get()
}

export interface RestoreEnd extends Pick<RestoreRow, 'finishedAt' | 'error'> {
  status: 'SUCCESS' | 'FAILED' | 'ROLLED_BACK'
  durationMs: number
  /** Left as it is where it is not given. */
  isApplied?: boolean | null
  preRestoreBackup?: string | null
}

/** Ends a restore and counts its outcome: `success`, `failed` or `rolled_back`. The snapshot of one that succeeded says so, too. */
export function recordRestoreEnded (catalog: Catalog, id: string, end: RestoreEnd): void {
  catalog.write(database => {
    const row = advance(database, id, end.status, end, String(end.finishedAt)) as RestoreRow
    if (end.status === 'SUCCESS' && row.kind === 'restore') database.update(snapshots).set({ status: 'SUCCESS', lastRestoredAt: end.finishedAt }).where(eq(snapshots.id, row.snapshotId)).run()
    if (!COUNTED.includes(row.kind)) return
    increment(database, row.database, 'snapshot_restores_total', end.status.toLowerCase())
    if (end.status === 'SUCCESS') observeSeconds(database, row.database, 'snapshot_restore_duration_seconds', end.durationMs / 1000)
  })
}

/** Notes what has become of a restore that ended without knowing it; one that was no restore of its own has no row. */
export function recordApplied (catalog: Catalog, id: string, isApplied: boolean): void {
  catalog.write(database => { database.update(restores).set({ isApplied }).where(eq(restores.id, id)).run() })
}

/** Restores that have not ended: while nobody works on the database, they were interrupted. */
export function restoresUnderWay (catalog: Catalog, database: string): RestoreRow[] {
  return catalog.read(query => query.select().from(restores)
    .where(and(eq(restores.database, database), inArray(restores.status, UNDER_WAY))).all())
}

/** The last restores, the newest first. */
export function lastRestores (catalog: Catalog, database: string, limit: number): RestoreRow[] {
  return catalog.read(query => query.select().from(restores).where(eq(restores.database, database)).orderBy(desc(BEGUN)).limit(limit).all())
}

/** The last restore of a snapshot. */
export function lastRestoreOf (catalog: Catalog, database: string, snapshotName: string): RestoreRow | undefined {
  return catalog.read(query => query.select().from(restores)
    .where(and(eq(restores.database, database), eq(restores.snapshotName, snapshotName), inArray(restores.kind, ['restore', 'tables'])))
    .orderBy(desc(BEGUN)).limit(1).get())
}

/** The last change of the live database that succeeded after a restore began. */
export function lastChangeSince (catalog: Catalog, { database, id }: RestoreRow): RestoreRow | undefined {
  return catalog.read(query => query.select().from(restores)
    .where(and(eq(restores.database, database), eq(restores.status, 'SUCCESS'), gt(BEGUN, sql`(select rowid from restores where id = ${id})`)))
    .orderBy(desc(BEGUN)).limit(1).get())
}

/** The restores that some backups were made by, by the name of the backup's file: its folder may have been moved. */
export function restoresByBackup (catalog: Catalog, database: string): Map<string, RestoreRow> {
  const rows = catalog.read(query => query.select().from(restores).where(and(eq(restores.database, database), isNotNull(restores.preRestoreBackup))).orderBy(BEGUN).all())
  return new Map(rows.map(row => [basename(String(row.preRestoreBackup)), row]))
}
