import { recordReplica, snapshotsIn } from '../../catalog/replicas.ts'
import type { SnapshotRow } from '../../catalog/schema.ts'
import { readStorage } from '../../catalog/storage-states.ts'
import { isLimited, type StorageSettings } from '../../options-storages.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { notingDamageBeside } from '../note-damage.ts'
import { removeStored } from '../remove-stored.ts'
import { readWhole } from '../stored-snapshot.ts'
import { lockForRemoval } from './lock-storage.ts'
import { isOfStorage } from './read-replica.ts'

/**
 * Which snapshots are beyond a storage's limits. The newest sound one never is.
 * @param rows those in the storage, the newest first
 */
export function beyondLimits (rows: readonly SnapshotRow[], { keepLast, maxAge }: Pick<StorageSettings, 'keepLast' | 'maxAge'>, now: number): SnapshotRow[] {
  const newest = rows.find(({ integrity }) => integrity !== 'failed')
  return rows.filter((row, index) => row !== newest && (index >= keepLast || now - Date.parse(row.createdAt) > maxAge))
}

/**
 * Removes what is beyond a storage's limits from it, where a storage without limits says that it has it. Only with the lock of
 * the limited storage.
 * @returns false where another storage did not have what it was believed to have
 */
export async function limitStorage (context: SnapshotContext, settings: StorageSettings, signal: AbortSignal): Promise<boolean> {
  const { catalog, queue, settings: { databaseName } } = context
  if (!isLimited(settings)) return true
  const name = settings.storage.name
  const find = (): SnapshotRow[] => beyondLimits(snapshotsIn(catalog, databaseName, name), settings, Date.now()).filter(row => storagesKeeping(context, row).length > 0)
  const [found, removable] = [find(), new Set<string>()]
  // Other storages are asked without the operation lock, so that they hold up nobody.
  for (const row of found) {
    signal.throwIfAborted()
    if (await isElsewhere(context, row)) removable.add(row.id)
  }
  // Alone, so that nothing that is read or shared right now is taken away.
  if (removable.size > 0) await queue.run(async signal => { await removeFrom(context, settings.storage, () => find().filter(({ id }) => removable.has(id)), signal) })
  return removable.size === found.length
}

/** What is being read there stays until the next time. */
async function removeFrom (context: SnapshotContext, storage: SnapshotStorage, find: () => SnapshotRow[], signal: AbortSignal): Promise<void> {
  for (const row of find()) {
    signal.throwIfAborted()
    const lock = lockForRemoval(context, storage)
    if (lock === null) return
    try {
      await removeStored(context, row, storage)
      recordReplica(context.catalog, row.id, storage.name, null)
    } finally {
      lock.release()
    }
    context.logger.info({ snapshot: row.name, storage: storage.name }, 'A snapshot is beyond the limits of a storage and was removed there; others have it')
  }
}

/** The storages without limits that are believed to have a snapshot, and can be asked. */
function storagesKeeping ({ catalog, storages, settings: { databaseName } }: SnapshotContext, { replicas }: SnapshotRow): SnapshotStorage[] {
  const isBelieved = ({ name }: SnapshotStorage): boolean => replicas.some(({ storage, state }) => storage === name && state === 'STORED')
  const isUp = ({ name }: SnapshotStorage): boolean => readStorage(catalog, databaseName, name)?.isUp !== false
  return storages.filter(other => !isLimited(other)).map(({ storage }) => storage).filter(storage => isBelieved(storage) && isUp(storage))
}

/** What a storage turns out not to have is noted, so that it is made again there. */
async function isElsewhere (context: SnapshotContext, row: SnapshotRow): Promise<boolean> {
  for (const storage of storagesKeeping(context, row)) {
    try {
      await notingDamageBeside(context, row, storage, async () => await readWhole(storage, row))
      return true
    } catch (error) {
      if (!isOfStorage(error)) throw error
    }
  }
  return false
}
