import { packKey } from '../../format/keys.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { Listing } from './list-storage.ts'

/** Whether a storage has all packs of a snapshot. What came after the listing is asked for by itself. */
export async function whatIsStored (storage: SnapshotStorage, database: string, packs: ReadonlyArray<{ id: string, bytes?: number }>, listing: Listing): Promise<'STORED' | 'MISSING'> {
  for (const { id, bytes } of packs) {
    const length = listing.packs.get(id)
    if (length !== undefined && length === (bytes ?? length)) continue
    const object = await storage.head(packKey(database, id))
    if (object === null || object.bytes !== (bytes ?? object.bytes)) return 'MISSING'
  }
  return 'STORED'
}
