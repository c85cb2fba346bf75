import { recordReplica, snapshotsLacking } from '../../catalog/replicas.ts'
import { isLimited, type StorageSettings } from '../../options-storages.ts'
import type { SnapshotContext } from '../context.ts'

/**
 * A storage that came to those there are gets the snapshots from before as well. Not where the catalog itself is new, as on a
 * machine that was rebuilt from a bucket: there it would fetch everything the bucket has.
 */
export function fillStorage ({ catalog, storages, knownStorages, settings: { databaseName } }: SnapshotContext, settings: StorageSettings): void {
  const name = settings.storage.name
  // Not as the catalog has it by now: this process lists files of the machine at its start.
  const isOld = storages.some(({ storage }) => storage.name !== name && knownStorages.has(storage.name))
  if (!isOld || isLimited(settings)) return
  for (const id of snapshotsLacking(catalog, databaseName, name)) recordReplica(catalog, id, name, 'PENDING')
}
