import { and, asc, eq, inArray, isNull, ne, or, sql } from 'drizzle-orm'
import type { Catalog, CatalogDatabase } from './catalog.ts'
import { snapshots, USABLE, type Replica, type SnapshotRow } from './schema.ts'
import { recordPacks } from './snapshot-packs.ts'
import { isUsed } from './snapshots.ts'

/** The name itself, or the first like it that is free. */
export type FreeName = (name: string, isTaken: (name: string) => boolean) => string

/** What a storage says of a snapshot that may change. */
export interface FoundMarks extends Pick<SnapshotRow, 'pinned' | 'labels' | 'deletedAt'> {
  source?: string | undefined
  takeovers?: number | undefined
  revision: number
}

/** Below zero for marks from before what is known, above for newer ones. Who took a snapshot over knows nothing of changes that the owner made unseen. */
function compareMarks ({ takeovers = 0, revision }: FoundMarks, row: SnapshotRow): number {
  return takeovers - row.takeovers || revision - row.marksRevision
}

/** Notes what a storage says of a snapshot that may change, unless something newer is known. */
export function recordMarks (catalog: Catalog, id: string, marks: FoundMarks, freeName: FreeName): void {
  setMarks(catalog, id, marks, freeName, (row, owner) => {
    const order = compareMarks(marks, row)
    return order > 0 || (order === 0 && owner !== row.source)
  })
}

/** Notes that a snapshot belongs to another deployment by now, as its marks say; under a name of its own among those of that one. */
export function recordOwner (catalog: Catalog, id: string, marks: FoundMarks, freeName: FreeName): void {
  setMarks(catalog, id, marks, freeName, () => true)
}

function setMarks (catalog: Catalog, id: string, { source, revision, takeovers = 0, ...marks }: FoundMarks, freeName: FreeName, isNews: (row: SnapshotRow, owner: string) => boolean): void {
  catalog.write(database => {
    const row = database.select().from(snapshots).where(eq(snapshots.id, id)).get() as SnapshotRow
    const owner = source ?? row.source
    if (!isNews(row, owner)) return
    database.update(snapshots).set({ ...marks, takeovers, marksRevision: revision, ...underOwner(database, row, owner, freeName) }).where(eq(snapshots.id, id)).run()
  })
}

function underOwner (database: CatalogDatabase, row: SnapshotRow, source: string, freeName: FreeName): Pick<SnapshotRow, 'source' | 'name'> {
  return { source, name: source === row.source ? row.name : freeName(row.name, name => isUsed(database, row.database, name, source)) }
}

/** A snapshot that was found in a storage, with the packs it needs. */
export interface FoundSnapshot {
  row: Omit<typeof snapshots.$inferInsert, 'replicas'>
  marks: FoundMarks | null
  packs: readonly string[]
  storage: string
  state: Replica['state']
}

/**
 * Enters snapshots that were found in a storage; those that are known already stay as they are. Where two of one deployment
 * have one name, the later one is entered under its name with a number.
 * @returns the ids of those that were entered
 */
export function insertFound (catalog: Catalog, found: readonly FoundSnapshot[], freeName: FreeName): Set<string> {
  const entered = catalog.write(database => found.filter(({ row, packs, storage, state }) => {
    const { id, source, deletedAt } = row
    const known = database.select().from(snapshots).where(eq(snapshots.id, id)).get()
    if (!isNew(catalog, known)) return false
    database.delete(snapshots).where(eq(snapshots.id, id)).run()
    const isTaken = (name: string): boolean => deletedAt === null && isUsed(database, row.database, name, source)
    database.insert(snapshots).values({ ...row, replicas: [{ storage, state }], name: freeName(row.name, isTaken) }).run()
    recordPacks(database, id, packs)
    return true
  }))
  return new Set(entered.map(({ row }) => row.id))
}

/** Whether a snapshot that is found in a storage is not known, or was taken for one that another deployment had deleted. */
export function isNew (catalog: Catalog, known: SnapshotRow | undefined): boolean {
  return known === undefined || (known.deletedAt !== null && known.source !== catalog.source && known.replicas.length === 0)
}

/** Snapshots of other deployments, or of one of them, and their deletions that were never finished; the oldest first. */
export function snapshotsOfOthers (catalog: Catalog, database: string, source?: string): SnapshotRow[] {
  return catalog.read(query => query.select().from(snapshots)
    .where(and(
      eq(snapshots.database, database), inArray(snapshots.status, USABLE), ne(snapshots.source, catalog.source), source === undefined ? undefined : eq(snapshots.source, source),
      or(isNull(snapshots.deletedAt), ne(sql`${snapshots.replicas}`, '[]'))
    ))
    .orderBy(asc(snapshots.sequence)).all())
}
