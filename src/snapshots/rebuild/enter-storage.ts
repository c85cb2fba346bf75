import { setImmediate as nextTurn } from 'node:timers/promises'
import { isNew, insertFound, recordMarks, type FoundSnapshot } from '../../catalog/found-snapshots.ts'
import { recordReplica } from '../../catalog/replicas.ts'
import type { SnapshotRow } from '../../catalog/schema.ts'
import { findByIds, recordNewest } from '../../catalog/snapshots.ts'
import { readStorage, recordStorage } from '../../catalog/storage-states.ts'
import { inBatches } from '../../storage/in-batches.ts'
import { inOrder } from '../../storage/in-order.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { firstFree } from '../snapshot-name.ts'
import { enterKnown } from './enter-known.ts'
import { listStorage, type Listing } from './list-storage.ts'
import { noteGone } from './note-gone.ts'
import { readFound, type Unreadable } from './read-found.ts'

/** What was found in one storage. */
export interface Findings {
  /** Snapshots that have a manifest there. */
  snapshots: number
  /** Of these, those that the catalog did not know. */
  added: number
  unreadable: Unreadable[]
}

const PARALLEL = 16
/** Snapshots that are looked up, and such as are entered, without giving the host its turn. */
const BATCH = 50
const ENTERED_AT_ONCE = 4
/** Rows with random keys change a page for each: the log grows quickly, and each time it is emptied takes a process. */
const WAL_LIMIT_BYTES = 32 * 2 ** 20
/** Marks may be listed so much later than others that are newer: a listing takes its time, and a storage has several clocks. */
const MARKS_LATE_MS = 20 * 60_000
const EVER = '1970-01-01T00:00:00Z'

/**
 * Enters in the catalog what a storage has: snapshots it does not know, marks that others have changed, copies that are gone.
 * What is known already is not read again.
 */
export async function enterStorage (context: SnapshotContext, storage: SnapshotStorage, signal: AbortSignal): Promise<Findings> {
  const { catalog, logger, settings: { databaseName } } = context
  const listedAt = new Date()
  const before = readStorage(catalog, databaseName, storage.name)
  // This machine's clock may be ahead of the storage's; a storage's may have been ahead for a while.
  const since = Math.min(Date.parse(before?.listedAt ?? EVER), Date.parse(before?.markedAt ?? EVER)) - MARKS_LATE_MS
  const listing = await listStorage(storage, databaseName)
  const findings: Findings = { snapshots: listing.manifests.size, added: 0, unreadable: [] }
  const unknown: string[] = []
  for await (const ids of inBatches(listing.manifests, BATCH)) {
    signal.throwIfAborted()
    const known = findByIds(catalog, ids)
    const isUnknown = (id: string): boolean => isNew(catalog, known.get(id))
    unknown.push(...ids.filter(isUnknown))
    const rows = [...known.values()].filter(({ id }) => !isUnknown(id))
    findings.unreadable.push(...await enterAllKnown(context, storage, rows, listing, since))
  }
  await enterUnknown(context, storage, unknown, listing, findings, signal)
  await noteGone(context, storage, listing, listedAt.toISOString(), signal)
  recordStorage(catalog, databaseName, storage.name, { listedAt: listedAt.toISOString(), markedAt: newestOf(listing) })
  if (findings.added > 0) {
    recordNewest(catalog, databaseName)
    await context.tidyCatalog()
    logger.info({ storage: storage.name, added: findings.added }, 'Snapshots were found in a storage')
  }
  if (findings.unreadable.length > 0) logger.warn({ ...findings, unreadable: findings.unreadable.slice(0, 10) }, `Manifests or marks in ${storage.name} cannot be read: ${findings.unreadable.length}. They are left as they are`)
  return findings
}

function newestOf ({ marks }: Listing): string | null {
  const newest = [...marks.values()].reduce((newest, time) => Math.max(newest, time.getTime()), 0)
  return newest === 0 ? null : new Date(newest).toISOString()
}

/** @returns marks that cannot be read */
async function enterAllKnown (context: SnapshotContext, storage: SnapshotStorage, rows: SnapshotRow[], listing: Listing, since: number): Promise<Unreadable[]> {
  const unreadable: Unreadable[] = []
  for await (const problem of inOrder(rows.map(row => async () => await enterKnown(context, storage, row, listing, since)), PARALLEL)) {
    if (problem !== null) unreadable.push(problem)
  }
  return unreadable
}

async function enterUnknown (context: SnapshotContext, storage: SnapshotStorage, ids: string[], listing: Listing, findings: Findings, signal: AbortSignal): Promise<void> {
  let found: FoundSnapshot[] = []
  const enter = async (): Promise<void> => {
    findings.added += enterFound(context, storage, found)
    found = []
    await context.tidyCatalog(WAL_LIMIT_BYTES)
    await nextTurn()
  }
  for await (const result of inOrder(ids.map(id => async () => await readFound(storage, context.settings.databaseName, id, listing, signal)), PARALLEL)) {
    signal.throwIfAborted()
    findings.unreadable.push(...result.unreadable)
    if (result.found !== null) found.push(result.found)
    if (found.length >= ENTERED_AT_ONCE) await enter()
  }
  await enter()
}

/** @returns how many were not known */
function enterFound ({ catalog }: SnapshotContext, storage: SnapshotStorage, found: FoundSnapshot[]): number {
  if (found.length === 0) return 0
  const entered = insertFound(catalog, found, (name, isTaken) => firstFree(name, '-', isTaken))
  for (const { row, marks, state } of found) {
    if (entered.has(row.id)) continue
    // Another storage was quicker, and may have older marks.
    recordReplica(catalog, row.id, storage.name, state)
    if (marks !== null) recordMarks(catalog, row.id, marks, (name, isTaken) => firstFree(name, '-', isTaken))
  }
  return entered.size
}
