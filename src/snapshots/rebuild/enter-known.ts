import { recordMarks } from '../../catalog/found-snapshots.ts'
import { recordReplica } from '../../catalog/replicas.ts'
import { USABLE, type SnapshotRow } from '../../catalog/schema.ts'
import { packsOf } from '../../catalog/snapshot-packs.ts'
import { findById } from '../../catalog/snapshots.ts'
import { codeOf, messageOf } from '../../errors.ts'
import { manifestKey, marksKey } from '../../format/keys.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { firstFree } from '../snapshot-name.ts'
import { readMarks } from '../store-marks.ts'
import { whatIsStored } from './find-packs.ts'
import type { Listing } from './list-storage.ts'
import type { Unreadable } from './read-found.ts'

/**
 * Enters what is new of a snapshot that is known.
 * @param since marks that were written before are known
 * @returns its marks where they cannot be read
 */
export async function enterKnown (context: SnapshotContext, storage: SnapshotStorage, row: SnapshotRow, listing: Listing, since: number): Promise<Unreadable | null> {
  if (row.deletedAt !== null || !USABLE.includes(row.status)) return null
  const markedAt = listing.marks.get(row.id)?.getTime() ?? 0
  const unreadable = markedAt > since ? await enterMarks(context, storage, row) : null
  await enterCopy(context, storage, findById(context.catalog, row.id) as SnapshotRow, listing) // by now it may be another deployment's
  return unreadable
}

async function enterCopy ({ catalog }: SnapshotContext, storage: SnapshotStorage, row: SnapshotRow, listing: Listing): Promise<void> {
  const state = row.replicas.find(({ storage: name }) => name === storage.name)?.state
  const packs = packsOf(catalog, row.id).map(id => ({ id }))
  if (state === 'STORED' && await whatIsStored(storage, row.database, packs, listing) === 'MISSING') recordReplica(catalog, row.id, storage.name, 'MISSING')
  // What this deployment can repair from another copy, it does, with its marks; those of another are not its to bring there.
  const isOurs = row.source === catalog.source
  const isRepaired = isOurs && row.replicas.length > 1
  const isNews = state === undefined || (state === 'MISSING' && !isRepaired) || (state === 'PENDING' && !isOurs)
  if (isNews && await storage.head(manifestKey(row.database, row.id)) !== null) recordReplica(catalog, row.id, storage.name, await whatIsStored(storage, row.database, packs, listing))
}

/** Another deployment may have taken a snapshot over, pinned its own, or deleted it. */
async function enterMarks ({ catalog }: SnapshotContext, storage: SnapshotStorage, row: SnapshotRow): Promise<Unreadable | null> {
  try {
    const marks = await readMarks(storage, row)
    if (marks !== null) recordMarks(catalog, row.id, marks, (name, isTaken) => firstFree(name, '-', isTaken))
    return null
  } catch (error) {
    if (codeOf(error) !== undefined) throw error
    return { storage: storage.name, key: marksKey(row.database, row.id), error: messageOf(error) }
  }
}
