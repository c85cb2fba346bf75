import { recordReplica } from '../../catalog/replicas.ts'
import { USABLE, type SnapshotRow } from '../../catalog/schema.ts'
import { packsOf } from '../../catalog/snapshot-packs.ts'
import { findByIds, insertFound, recordNewest, updateSnapshotRow, usableSnapshots, type FoundSnapshot } from '../../catalog/snapshots.ts'
import { readStorage, recordStorage } from '../../catalog/storage-states.ts'
import { manifestKey } from '../../format/keys.ts'
import { inBatches } from '../../storage/in-batches.ts'
import { inOrder } from '../../storage/in-order.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { firstFree } from '../snapshot-name.ts'
import { readMarks } from '../store-marks.ts'
import { whatIsStored } from './find-packs.ts'
import { listStorage, type Listing } from './list-storage.ts'
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
const BATCH = 200
/** The clock of a storage and this machine's may differ by so much. */
const CLOCKS_DIFFER_MS = 20 * 60_000

/**
 * Enters in the catalog what a storage has: snapshots it does not know, marks that others have changed, copies that are gone.
 * What is known already is not read again.
 */
export async function enterStorage (context: SnapshotContext, storage: SnapshotStorage, signal: AbortSignal): Promise<Findings> {
  const { catalog, logger, settings: { databaseName } } = context
  const listedAt = new Date()
  const listedBefore = Date.parse(readStorage(catalog, databaseName, storage.name)?.listedAt ?? '1970-01-01T00:00:00Z')
  const listing = await listStorage(storage, databaseName)
  const findings: Findings = { snapshots: listing.manifests.size, added: 0, unreadable: [] }
  for await (const ids of inBatches(listing.manifests, BATCH)) {
    signal.throwIfAborted()
    const known = findByIds(catalog, ids)
    await enterUnknown(context, storage, ids.filter(id => !known.has(id)), listing, findings, signal)
    for (const row of known.values()) await enterKnown(context, storage, row, listing, listedBefore)
  }
  await noteGone(context, storage, listing, listedAt.toISOString(), signal)
  recordStorage(catalog, databaseName, storage.name, { listedAt: listedAt.toISOString() })
  if (findings.added > 0) {
    recordNewest(catalog, databaseName)
    logger.info({ storage: storage.name, added: findings.added }, 'Snapshots were found in a storage')
  }
  if (findings.unreadable.length > 0) logger.warn({ ...findings, unreadable: findings.unreadable.slice(0, 10) }, `Manifests in ${storage.name} cannot be read: ${findings.unreadable.length}`)
  return findings
}

async function enterUnknown ({ catalog, settings: { databaseName } }: SnapshotContext, storage: SnapshotStorage, ids: string[], listing: Listing, findings: Findings, signal: AbortSignal): Promise<void> {
  const found: FoundSnapshot[] = []
  for await (const result of inOrder(ids.map(id => async () => await readFound(storage, databaseName, id, listing, signal)), PARALLEL)) {
    if (result === null) continue
    if ('row' in result) found.push(result)
    else findings.unreadable.push(result)
  }
  findings.added += insertFound(catalog, found, (name, isTaken) => firstFree(name, '-', isTaken))
  // Another storage may have been quicker.
  for (const { row } of found) recordReplica(catalog, row.id, storage.name, row.replicas?.[0]?.state ?? 'STORED')
}

async function enterKnown (context: SnapshotContext, storage: SnapshotStorage, row: SnapshotRow, listing: Listing, listedBefore: number): Promise<void> {
  const { catalog } = context
  if (row.deletedAt !== null || !USABLE.includes(row.status)) return
  const state = row.replicas.find(({ storage: name }) => name === storage.name)?.state
  const packs = packsOf(catalog, row.id).map(id => ({ id }))
  if (state === 'STORED' && await whatIsStored(storage, row.database, packs, listing) === 'MISSING') recordReplica(catalog, row.id, storage.name, 'MISSING')
  // Of a snapshot of its own this deployment knows itself where it is to be, and repairs it.
  const isNews = state === undefined || (state === 'MISSING' && row.source !== catalog.source)
  if (isNews && await storage.head(manifestKey(row.database, row.id)) !== null) recordReplica(catalog, row.id, storage.name, await whatIsStored(storage, row.database, packs, listing))
  const markedAt = listing.marks.get(row.id)?.getTime() ?? 0
  if (markedAt > listedBefore - CLOCKS_DIFFER_MS) await enterMarks(context, storage, row)
}

/** Another deployment may have taken a snapshot over, pinned its own, or deleted it. */
async function enterMarks ({ catalog }: SnapshotContext, storage: SnapshotStorage, row: SnapshotRow): Promise<void> {
  const marks = await readMarks(storage, row)
  if (marks === null || (marks.revision <= row.marksRevision && (marks.source ?? row.source) === row.source)) return
  const { source = row.source, revision, pinned, labels, deletedAt } = marks
  const isOurs = source === catalog.source
  // What others delete, they remove themselves.
  updateSnapshotRow(catalog, row.id, { source, pinned, labels, marksRevision: revision, deletedAt, ...(deletedAt !== null && !isOurs && { replicas: [] }) })
}

/** Snapshots that should be in a storage and are not. */
async function noteGone (context: SnapshotContext, storage: SnapshotStorage, listing: Listing, before: string, signal: AbortSignal): Promise<void> {
  const isGone = ({ id, completedAt, replicas }: SnapshotRow): boolean => !listing.manifests.has(id) && String(completedAt) < before && replicas.some(replica => replica.storage === storage.name && replica.state === 'STORED')
  for await (const rows of inBatches(usableSnapshots(context.catalog, context.settings.databaseName, BATCH), BATCH)) {
    const asked = rows.filter(isGone).map(row => async () => await storage.head(manifestKey(row.database, row.id)) === null ? row : null)
    for await (const row of inOrder(asked, PARALLEL)) {
      if (row !== null) noteMissing(context, storage, row)
    }
    signal.throwIfAborted()
  }
}

/** One's own is to be repaired; another deployment's was deleted by that. */
function noteMissing ({ catalog }: SnapshotContext, { name }: SnapshotStorage, row: SnapshotRow): void {
  const isOurs = row.source === catalog.source
  const left = recordReplica(catalog, row.id, name, isOurs ? 'MISSING' : null)
  if (!isOurs && left?.replicas.length === 0) updateSnapshotRow(catalog, row.id, { deletedAt: new Date().toISOString() })
}
