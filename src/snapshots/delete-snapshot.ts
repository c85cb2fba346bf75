import { recordReplica } from '../catalog/replicas.ts'
import type { Replica, SnapshotRow } from '../catalog/schema.ts'
import { recordPacks } from '../catalog/snapshot-packs.ts'
import { findById, updateSnapshotRow } from '../catalog/snapshots.ts'
import { messageOf, PinnedError } from '../errors.ts'
import type { LockFile } from '../lock-file.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import type { SnapshotContext } from './context.ts'
import { ownerIn, requireOwn } from './own-snapshots.ts'
import { removeStored } from './remove-stored.ts'
import { lockForRemoval, lockStorage } from './replicas/lock-storage.ts'
import { marksOf, placesOfMarks, storeMarks } from './store-marks.ts'
import { step } from '../step.ts'

/** What a keeper does beside copying takes no longer. */
const LOCK_WAIT_MS = 2_000

/**
 * Deletes a snapshot: once the mark is stored it is none any more, and what could not be removed then is removed later.
 * @throws FST_SNAPSHOT_PINNED, FST_SNAPSHOT_NOT_OWN
 */
export async function deleteSnapshot (context: SnapshotContext, row: SnapshotRow): Promise<void> {
  const { catalog, required, logger } = context
  if (row.pinned) throw new PinnedError(row.name)
  const isStored = row.status !== 'FAILED'
  if (isStored) await requireOwn(context, row)
  if (findById(catalog, row.id)?.pinned === true) throw new PinnedError(row.name) // as the storage says
  const change = { deletedAt: new Date().toISOString(), marksRevision: row.marksRevision + 1 }
  for (const storage of isStored ? placesOfMarks(context, row) : []) await storeMarks(storage, row, marksOf({ ...row, ...change }))
  step('delete: marked')
  // Packs may be kept of a failed one, too: until they are gone, its deletion is to be finished.
  const replicas: Replica[] = [...required.map(({ name }): Replica => ({ storage: name, state: 'STORED' })), ...row.replicas.filter(({ storage }) => !required.some(({ name }) => name === storage))]
  const deleted = updateSnapshotRow(catalog, row.id, { ...change, replicas }) as SnapshotRow
  step('delete: recorded')
  logger.info({ snapshot: row.name }, 'Snapshot deleted')
  await finishDeletion(context, deleted, required)
}

/**
 * Removes what some storages have of a deleted snapshot. A storage that is being read, or copied to, right now is left for later.
 * @returns `failed` for a failure: it is logged, and tried again later
 */
export async function finishDeletion (context: SnapshotContext, row: SnapshotRow, storages: readonly SnapshotStorage[]): Promise<'done' | 'busy' | 'failed'> {
  let isBusy = false
  try {
    for (const { storage: name } of row.replicas) {
      const storage = storages.find(storage => storage.name === name)
      if (storage !== undefined) isBusy = !await removeUnlessBusy(context, row, storage) || isBusy
      else if (context.storageNamed(name) === undefined) forgetReplica(context, row.id, name)
    }
    return isBusy ? 'busy' : 'done'
  } catch (error) {
    context.logger.warn({ err: error, snapshot: row.name }, `What is stored of a deleted snapshot could not be removed yet: ${messageOf(error)}`)
    return 'failed'
  }
}

/** @returns false where it is left for later */
async function removeUnlessBusy (context: SnapshotContext, row: SnapshotRow, storage: SnapshotStorage): Promise<boolean> {
  const lock = await lockStorage(context, storage, LOCK_WAIT_MS)
  let removal: LockFile | null = null
  try {
    removal = lock && lockForRemoval(context, storage)
    if (removal === null) return false
    // Another deployment may have taken it over while this one could not ask.
    const isOurs = storage.fileOf !== undefined || await ownerIn(context, storage, row) === context.catalog.source
    if (isOurs) await removeStored(context, row, storage)
    forgetReplica(context, row.id, storage.name)
    step('delete: finished in a storage')
    return true
  } finally {
    removal?.release()
    lock?.release()
  }
}

/** Once nothing is stored of it anywhere, its packs are of no interest any more. */
function forgetReplica ({ catalog }: SnapshotContext, id: string, storage: string): void {
  if (recordReplica(catalog, id, storage, null)?.replicas.length === 0) catalog.write(change => { recordPacks(change, id, []) })
}
