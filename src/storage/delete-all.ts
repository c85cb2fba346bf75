import { inOrder } from './in-order.ts'
import type { SnapshotStorage } from './snapshot-storage.ts'
import { checkKey } from './storage-key.ts'

/** Removes objects, many at once where the storage can, else one by one. */
export async function deleteAll (storage: SnapshotStorage, keys: readonly string[]): Promise<void> {
  if (storage.deleteAll !== undefined) return await storage.deleteAll(keys)
  for (const key of keys) checkKey(key)
  await deleteEach(keys, async key => { await storage.delete(key) })
}

/** Removes every item, so many at once, and throws the first failure when all have had their turn. */
export async function deleteEach<T> (items: readonly T[], remove: (item: T) => Promise<void>, limit = 1): Promise<void> {
  const tasks = items.map(item => async () => await remove(item).then(() => null, (error: unknown) => ({ error })))
  let first: { error: unknown } | null = null
  for await (const failure of inOrder(tasks, limit)) first ??= failure
  if (first !== null) throw (first as { error: unknown }).error
}
