import { basename, dirname } from 'node:path'
import { databasePrefix, manifestPrefix, marksPrefix, packPrefix } from '../../format/keys.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'

/** What a storage has of one database. */
export interface Listing {
  /** Ids of the snapshots that have a manifest there. */
  manifests: Set<string>
  /** When the marks of each snapshot were last written, by its id. */
  marks: Map<string, Date>
  /** Length of each pack by its id. */
  packs: Map<string, number>
}

/** One listing of everything: what is asked of a server grows with the number of pages only. */
export async function listStorage (storage: SnapshotStorage, database: string): Promise<Listing> {
  const listing: Listing = { manifests: new Set(), marks: new Map(), packs: new Map() }
  for await (const { key, bytes, modifiedAt } of storage.list(databasePrefix(database))) {
    if (key.startsWith(packPrefix(database))) listing.packs.set(basename(dirname(key)), bytes)
    else if (key.startsWith(manifestPrefix(database))) listing.manifests.add(basename(key, '.json'))
    else if (key.startsWith(marksPrefix(database))) listing.marks.set(basename(key, '.json'), modifiedAt)
  }
  return listing
}
