import { recordReplica, snapshotsIn } from '../../catalog/replicas.ts'
import type { SnapshotRow } from '../../catalog/schema.ts'
import { isLimited, type StorageSettings } from '../../options-storages.ts'
import type { SnapshotContext } from '../context.ts'
import { removeStored } from '../remove-stored.ts'

/**
 * Which snapshots are beyond a storage's limits. The newest sound one never is.
 * @param rows those in the storage, the newest first
 */
export function beyondLimits (rows: readonly SnapshotRow[], { keepLast, maxAge }: Pick<StorageSettings, 'keepLast' | 'maxAge'>, now: number): SnapshotRow[] {
  const newest = rows.find(({ integrity }) => integrity !== 'failed')
  return rows.filter((row, index) => row !== newest && (index >= keepLast || now - Date.parse(row.createdAt) > maxAge))
}

/**
 * Removes what is beyond a storage's limits from it, as far as a storage without limits has it. Only with the lock of that
 * storage.
 */
export async function limitStorage (context: SnapshotContext, settings: StorageSettings): Promise<void> {
  const { catalog, queue, storages, settings: { databaseName } } = context
  if (!isLimited(settings)) return
  const name = settings.storage.name
  const isElsewhere = ({ replicas }: SnapshotRow): boolean => storages.some(other => !isLimited(other) && replicas.some(({ storage, state }) => storage === other.storage.name && state === 'STORED'))
  const find = (): SnapshotRow[] => beyondLimits(snapshotsIn(catalog, databaseName, name), settings, Date.now()).filter(isElsewhere)
  if (find().length === 0) return
  // Alone, so that nothing that is read or shared right now is taken away.
  await queue.run(async signal => {
    for (const row of find()) {
      signal.throwIfAborted()
      await removeStored(context, row, settings.storage)
      recordReplica(catalog, row.id, name, null)
      context.logger.info({ snapshot: row.name, storage: name }, 'A snapshot is beyond the limits of a storage and was removed there; others have it')
    }
  })
}
