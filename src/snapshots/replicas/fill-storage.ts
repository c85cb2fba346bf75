import { recordReplica, snapshotsLacking } from '../../catalog/replicas.ts'
import { readStorage } from '../../catalog/storage-states.ts'
import { isLimited, type StorageSettings } from '../../options-storages.ts'
import type { SnapshotContext } from '../context.ts'

/**
 * A storage that came to those there are gets the snapshots from before as well. Not where the catalog itself is new, as on a
 * machine that was rebuilt from a bucket: there it would fetch everything the bucket has.
 */
export function fillStorage ({ catalog, storages, startedAt, settings: { databaseName } }: SnapshotContext, settings: StorageSettings): void {
  const name = settings.storage.name
  const isOld = storages.some(({ storage }) => storage.name !== name && (readStorage(catalog, databaseName, storage.name)?.listedAt ?? startedAt) < startedAt)
  if (!isOld || isLimited(settings)) return
  for (const id of snapshotsLacking(catalog, databaseName, name)) recordReplica(catalog, id, name, 'PENDING')
}
