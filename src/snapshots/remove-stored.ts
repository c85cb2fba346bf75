import { packsOf, recordPacks } from '../catalog/snapshot-packs.ts'
import type { SnapshotRow } from '../catalog/schema.ts'
import { manifestKey, marksKey } from '../format/keys.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import type { SnapshotContext } from './context.ts'
import { sweepPacks } from './sweep-packs.ts'

type Named = Pick<SnapshotRow, 'id' | 'database'>

/**
 * Removes what a storage has of one snapshot: without its manifest it is none there any more; of its packs those go that no
 * other snapshot there needs.
 */
export async function removeStored (context: SnapshotContext, { id, database }: Named, storage: SnapshotStorage): Promise<void> {
  await storage.delete(manifestKey(database, id))
  await sweepPacks(context, storage, [...new Set([id, ...packsOf(context.catalog, id)])], id)
  await storage.delete(marksKey(database, id))
}

/** Removes a creation that came to nothing from every storage it can have reached. */
export async function removeEverywhere (context: SnapshotContext, snapshot: Named): Promise<void> {
  for (const storage of context.required) await removeStored(context, snapshot, storage)
  context.catalog.write(change => { recordPacks(change, snapshot.id, []) })
}
