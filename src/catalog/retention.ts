import { and, asc, eq, inArray, lt, sql } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { isOwn } from './replicas.ts'
import { snapshots, USABLE, type SnapshotRow } from './schema.ts'
import { present } from './snapshots.ts'

/** What of a snapshot matters to retention. */
export type Candidate = Pick<SnapshotRow, 'id' | 'name' | 'sequence' | 'createdAt' | 'trigger' | 'pinned' | 'integrity' | 'size' | 'pageSize' | 'freePages' | 'replicas'>

const { id, name, sequence, createdAt, trigger, pinned, integrity, size, pageSize, freePages, replicas } = snapshots

/** What retention decides about: the usable snapshots of this deployment, oldest first, so many read at a time. */
export function * usableOwn (catalog: Catalog, database: string, limit: number): Generator<Candidate[]> {
  let page: Candidate[] = []
  do {
    const after = page.at(-1) ?? { sequence: -1, id: '' }
    page = catalog.read(query => query.select({ id, name, sequence, createdAt, trigger, pinned, integrity, size, pageSize, freePages, replicas }).from(snapshots)
      .where(and(present(database), isOwn(catalog), inArray(snapshots.status, USABLE), sql`(${sequence}, ${id}) > (${after.sequence}, ${after.id})`))
      .orderBy(asc(sequence), asc(id)).limit(limit).all())
    yield page
  } while (page.length === limit)
}

/** Failed creations of this deployment from before a time. */
export function failedBefore (catalog: Catalog, database: string, time: string): Array<{ id: string, name: string, createdAt: string }> {
  return catalog.read(query => query.select({ id, name, createdAt }).from(snapshots)
    .where(and(present(database), isOwn(catalog), eq(snapshots.status, 'FAILED'), lt(createdAt, time))).orderBy(asc(sequence)).all())
}
