import { recordReplica, snapshotsIn } from '../../catalog/replicas.ts'
import type { SnapshotRow } from '../../catalog/schema.ts'
import { readStorage } from '../../catalog/storage-states.ts'
import { isLimited, type StorageSettings } from '../../options-storages.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { notingDamage } from '../note-damage.ts'
import { removeStored } from '../remove-stored.ts'
import { readWhole } from '../stored-snapshot.ts'
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
  if (removable.size > 0) {
    await queue.run(async signal => {
      for (const row of find().filter(({ id }) => removable.has(id))) {
        signal.throwIfAborted()
        await removeStored(context, row, settings.storage)
        recordReplica(catalog, row.id, name, null)
        context.logger.info({ snapshot: row.name, storage: name }, 'A snapshot is beyond the limits of a storage and was removed there; others have it')
      }
    })
  }
  return removable.size === found.length
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
      await notingDamage(context, row, storage, async () => await readWhole(storage, row))
      return true
    } catch (error) {
      if (!isOfStorage(error)) throw error
    }
  }
  return false
}
