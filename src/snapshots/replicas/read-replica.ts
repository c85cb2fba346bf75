import type { Replica, SnapshotRow } from '../../catalog/schema.ts'
import { codeOf, messageOf, NotFoundError, SnapshotDamagedError, StorageUnavailableError } from '../../errors.ts'
import { manifestKey } from '../../format/keys.ts'
import { isStorageFailure } from '../../storage/observed-storage.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { notingDamage } from '../note-damage.ts'

/** The order in which copies are trusted. */
const TRUST: Array<Replica['state']> = ['STORED', 'PENDING', 'DAMAGED', 'MISSING']

/**
 * Reads something of a snapshot from the first storage that has it whole: where a copy is damaged, missing or cannot be
 * reached, the next one is asked. What was damaged is noted, and repaired in the background.
 * @param except a storage that is not asked
 * @throws FST_SNAPSHOT_DAMAGED where all copies are, FST_SNAPSHOT_STORAGE_* where one could not be asked, and what `read`
 * throws that has nothing to do with a storage
 */
export async function fromReplicas<T> (context: SnapshotContext, row: SnapshotRow, read: (storage: SnapshotStorage) => Promise<T>, except?: string): Promise<T> {
  const failures: Array<{ storage: string, error: unknown }> = []
  for (const storage of storagesOf(context, row).filter(({ name }) => name !== except)) {
    try {
      return await notingDamage(context, row, storage, async () => await read(storage))
    } catch (error) {
      if (!isOfStorage(error)) throw error
      failures.push({ storage: storage.name, error })
      context.logger.warn({ err: error, snapshot: row.name, storage: storage.name }, `A snapshot could not be read from a storage: ${messageOf(error)}`)
    }
  }
  if (isGone(context, row, failures)) throw new NotFoundError(`snapshot ${JSON.stringify(row.name)} any more: the deployment that made it has deleted it`)
  throw combined(row, failures)
}

/** The storages that a snapshot can be read from, the most trusted first. */
export function storagesOf (context: SnapshotContext, { replicas }: SnapshotRow): SnapshotStorage[] {
  const stateIn = (storage: SnapshotStorage): number => TRUST.indexOf(replicas.find(({ storage: name }) => name === storage.name)?.state as Replica['state'])
  return context.storages.map(({ storage }) => storage).filter(storage => stateIn(storage) >= 0).toSorted((a, b) => stateIn(a) - stateIn(b))
}

/** Another deployment's, of which no storage has the manifest: that is removed first. */
function isGone ({ catalog }: SnapshotContext, { id, database, source }: SnapshotRow, failures: Array<{ error: unknown }>): boolean {
  const isMissing = ({ error }: { error: unknown }): boolean => error instanceof Error && codeOf(error.cause) === 'FST_SNAPSHOT_STORAGE_MISSING' && error.message.includes(manifestKey(database, id))
  return source !== catalog.source && failures.length > 0 && failures.every(isMissing)
}

/** It says something of one copy, or of its storage. */
export const isOfStorage = (error: unknown): boolean => codeOf(error) === 'FST_SNAPSHOT_DAMAGED' || (isStorageFailure(error) && codeOf(error) !== 'FST_SNAPSHOT_NO_ROOM')

function combined ({ name, replicas }: SnapshotRow, failures: Array<{ storage: string, error: unknown }>): unknown {
  const [first, ...others] = failures
  if (first === undefined) return new SnapshotDamagedError(`${name} is in no storage that is configured${replicas.map(({ storage }) => `; it was stored in ${storage}`).join('')}`)
  if (others.length === 0) return first.error
  const words = failures.map(({ storage, error }) => `${storage}: ${messageOf(error)}`).join('; ')
  const isDamage = failures.every(({ error }) => codeOf(error) === 'FST_SNAPSHOT_DAMAGED')
  return isDamage ? new SnapshotDamagedError(words, { cause: first.error }) : new StorageUnavailableError(failures.map(({ storage }) => storage).join(', '), words, { cause: failures.find(({ error }) => codeOf(error) !== 'FST_SNAPSHOT_DAMAGED')?.error })
}
