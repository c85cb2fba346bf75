import { and, eq, inArray } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { increment, observeSeconds } from './metric-values.ts'
import { restores, type RestoreRow } from './schema.ts'

const UNDER_WAY: Array<RestoreRow['status']> = ['REQUESTED', 'STAGED', 'BACKED_UP', 'APPLYING', 'VERIFYING']

export function insertRestore (catalog: Catalog, row: Pick<RestoreRow, 'id' | 'database' | 'snapshotId' | 'snapshotName' | 'requestedAt'>): void {
  catalog.write(database => database.insert(restores).values({ ...row, status: 'REQUESTED' }).run())
}

export function updateRestore (catalog: Catalog, id: string, change: Partial<RestoreRow>): void {
  catalog.write(database => database.update(restores).set(change).where(eq(restores.id, id)).run())
}

/** Ends a restore and counts its outcome: `success`, `failed` or `rolled_back`. */
export function recordRestoreEnded (catalog: Catalog, id: string, end: Pick<RestoreRow, 'finishedAt' | 'error'> & { status: 'SUCCESS' | 'FAILED' | 'ROLLED_BACK', durationMs: number }): void {
  catalog.write(database => {
    const row = database.update(restores).set(end).where(eq(restores.id, id)).returning().get()
    increment(database, row.database, 'snapshot_restores_total', end.status.toLowerCase())
    if (end.status === 'SUCCESS') observeSeconds(database, row.database, 'snapshot_restore_duration_seconds', end.durationMs / 1000)
  })
}

/** Restores that have not ended: while nobody works on the database, they were interrupted. */
export function restoresUnderWay (catalog: Catalog, database: string): RestoreRow[] {
  return catalog.read(query => query.select().from(restores)
    .where(and(eq(restores.database, database), inArray(restores.status, UNDER_WAY))).all())
}
