import { randomUUID } from 'node:crypto'
import { codeOf, StorageError } from '../../errors.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import { readAll } from '../../storage/storage-key.ts'

/**
 * Tries a storage out: stores a small object, reads it and deletes it.
 * @throws what the storage throws; FST_SNAPSHOT_STORAGE_FAILED where other bytes come back
 */
export async function probeStorage (storage: SnapshotStorage, database: string, signal: AbortSignal): Promise<void> {
  const key = `${database}/probes/${randomUUID()}`
  const bytes = Buffer.from(`A trial of this storage, which may be deleted. ${randomUUID()}\n`)
  await storage.put(key, bytes, { signal })
  const isSame = (await readBack(storage, key, signal).finally(async () => { await storage.delete(key) })).equals(bytes)
  if (!isSame) throw new StorageError(storage.name, `it gave other bytes back than were stored under ${key}; check what stands between, such as a cache`)
}

async function readBack (storage: SnapshotStorage, key: string, signal: AbortSignal): Promise<Buffer> {
  try {
    return await readAll(await storage.get(key, { signal }))
  } catch (error) {
    throw codeOf(error) === 'FST_SNAPSHOT_STORAGE_MISSING' ? new StorageError(storage.name, `it does not have ${key}, which it had just taken`, { cause: error }) : error
  }
}
