import type { SnapshotRow } from '../catalog/schema.ts'
import { marksKey } from '../format/keys.ts'
import { decodeMarks, encodeMarks, type Marks } from '../format/marks.ts'
import { codeOf } from '../errors.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import { readAll } from '../storage/storage-key.ts'
import type { SnapshotContext } from './context.ts'

/** What a row of the catalog says that may change. */
export function marksOf ({ source, takeovers, marksRevision, pinned, labels, deletedAt }: SnapshotRow): Marks {
  return { source, ...takeovers > 0 && { takeovers }, revision: marksRevision, pinned, labels, deletedAt }
}

export async function storeMarks (storage: SnapshotStorage, { id, database }: Pick<SnapshotRow, 'id' | 'database'>, marks: Marks): Promise<void> {
  await storage.put(marksKey(database, id), encodeMarks(marks))
}

/**
 * The marks of a snapshot as a storage has them, or null where there are none. Wrong bytes may have become so on the way, so
 * they are read once more.
 * @throws what the storage throws; an Error without a code where they make no sense
 */
export async function readMarks (storage: SnapshotStorage, { id, database }: Pick<SnapshotRow, 'id' | 'database'>): Promise<Marks | null> {
  const read = async (): Promise<Marks> => decodeMarks(await readAll(await storage.get(marksKey(database, id))))
  try {
    return await read().catch(async (error: unknown) => {
      if (codeOf(error) !== undefined) throw error
      return await read()
    })
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_STORAGE_MISSING') return null
    throw error
  }
}

/**
 * Where marks must be stored before they count: in the required storages that have the snapshot; where none has, as on a
 * machine that was rebuilt from a bucket, in the first storage that does.
 */
export function placesOfMarks ({ required, storages }: SnapshotContext, { replicas }: SnapshotRow): readonly SnapshotStorage[] {
  const hasIt = ({ name }: SnapshotStorage): boolean => replicas.some(({ storage, state }) => storage === name && state !== 'MISSING')
  const places = required.filter(hasIt)
  if (places.length > 0) return places
  const first = storages.map(({ storage }) => storage).find(hasIt)
  return first === undefined ? required : [first]
}

/**
 * Where it must be stored whose a snapshot is before that counts: in every storage that has it, since copies are made only where
 * it is not another deployment's. Those first that others ask.
 */
export function placesOfOwner (context: SnapshotContext, { replicas }: SnapshotRow): readonly SnapshotStorage[] {
  const hasIt = ({ name }: SnapshotStorage): boolean => replicas.some(({ storage, state }) => storage === name && state !== 'MISSING' && state !== 'PENDING')
  const isShared = ({ fileOf }: SnapshotStorage): boolean => fileOf === undefined
  const places = context.storages.map(({ storage }) => storage).filter(hasIt)
  return [...places.filter(isShared), ...places.filter(storage => !isShared(storage))]
}
