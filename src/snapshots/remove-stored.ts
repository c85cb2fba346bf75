import { dirname } from 'node:path'
import { packsOf, recordPacks } from '../catalog/snapshot-packs.ts'
import type { SnapshotRow } from '../catalog/schema.ts'
import { codeOf, messageOf } from '../errors.ts'
import { manifestKey, marksKey, packKey } from '../format/keys.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import type { SnapshotContext } from './context.ts'
import { sweepPacks } from './sweep-packs.ts'
import { step } from '../step.ts'

type Named = Pick<SnapshotRow, 'id' | 'database'>

/**
 * Removes what a storage has of one snapshot: without its manifest it is none there any more; of its packs those go that no
 * other snapshot there needs. Parts of uploads that failed, or came late, go as well.
 */
export async function removeStored (context: SnapshotContext, { id, database }: Named, storage: SnapshotStorage): Promise<void> {
  await storage.delete(manifestKey(database, id))
  step('remove: manifest gone')
  await sweepPacks(context, storage, [...new Set([id, ...packsOf(context.catalog, id)])], id)
  step('remove: packs gone')
  await removePartialWrites(context, storage, { id, database })
  await storage.delete(marksKey(database, id))
  step('remove: marks gone')
}

/** Removes a creation that came to nothing from every storage it can have reached. */
export async function removeEverywhere (context: SnapshotContext, snapshot: Named): Promise<void> {
  for (const storage of context.required) await removeStored(context, snapshot, storage)
  context.catalog.write(change => { recordPacks(change, snapshot.id, []) })
}

/** Removes what failed or killed writes of a pack have left. A storage that does not let this process look for it may have its own rules. */
export async function removePartialWrites ({ logger }: SnapshotContext, storage: SnapshotStorage, { id, database }: Named): Promise<void> {
  try {
    await storage.removePartialWrites(`${dirname(packKey(database, id))}/`)
  } catch (error) {
    if (codeOf(error) !== 'FST_SNAPSHOT_STORAGE_DENIED') throw error
    logger.warn({ err: error, storage: storage.name, pack: id }, `Parts of unfinished uploads cannot be removed: ${messageOf(error)}`)
  }
}
