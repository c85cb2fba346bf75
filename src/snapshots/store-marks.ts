import type { SnapshotRow } from '../catalog/schema.ts'
import { marksKey } from '../format/keys.ts'
import { decodeMarks, encodeMarks, type Marks } from '../format/marks.ts'
import { codeOf } from '../errors.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import { readAll } from '../storage/storage-key.ts'

/** What a row of the catalog says that may change. */
export function marksOf ({ source, marksRevision, pinned, labels, deletedAt }: SnapshotRow): Marks {
  return { source, revision: marksRevision, pinned, labels, deletedAt }
}

export async function storeMarks (storage: SnapshotStorage, { id, database }: Pick<SnapshotRow, 'id' | 'database'>, marks: Marks): Promise<void> {
  await storage.put(marksKey(database, id), encodeMarks(marks))
}

/** The marks of a snapshot as a storage has them, or null where there are none, or none that can be read. */
export async function readMarks (storage: SnapshotStorage, { id, database }: Pick<SnapshotRow, 'id' | 'database'>): Promise<Marks | null> {
  try {
    return decodeMarks(await readAll(await storage.get(marksKey(database, id))))
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_STORAGE_MISSING' || codeOf(error) === undefined) return null
    throw error
  }
}
