import { basename } from 'node:path'
import { forgetDamagedPack, packsInUse, packsNeededBy, withKnownPacks } from '../catalog/snapshot-packs.ts'
import { codeOf, messageOf } from '../errors.ts'
import { manifestPrefix, packKey } from '../format/keys.ts'
import { packsNamed } from '../format/manifest.ts'
import { inBatches } from '../storage/in-batches.ts'
import { readAll } from '../storage/storage-key.ts'
import { deleteAll } from '../storage/delete-all.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import type { SnapshotContext } from './context.ts'

const BATCH = 200

/**
 * Removes those of some packs from a storage that no snapshot there needs any more, but for one that is being removed itself.
 * Only of packs that this deployment made: a creation refers to none that no snapshot needs.
 * @throws Error where a manifest cannot be read, which may name any of them; then none is removed
 */
export async function sweepPacks ({ catalog, settings: { databaseName } }: SnapshotContext, storage: SnapshotStorage, candidates: readonly string[], except: string): Promise<void> {
  const inUse = packsInUse(catalog, candidates, { except, storage: storage.name })
  const unused = new Set(candidates.filter(pack => !inUse.has(pack)))
  if (unused.size === 0) return
  // What the catalog has lost in a crash of the machine, the storage still has.
  for await (const objects of inBatches(storage.list(manifestPrefix(databaseName)), BATCH)) {
    const ids = objects.map(({ key }) => basename(key, '.json')).filter(id => id !== except)
    for (const pack of packsNeededBy(catalog, ids, [...unused])) unused.delete(pack)
    const known = withKnownPacks(catalog, ids)
    for (const { key } of objects.filter(({ key }) => !known.has(basename(key, '.json')))) {
      for (const pack of await packsNamedBy(storage, key, unused)) unused.delete(pack)
    }
  }
  await deleteAll(storage, [...unused].map(pack => packKey(databaseName, pack)))
  for (const pack of unused) forgetDamagedPack(catalog, pack, storage.name)
}

/** None where the manifest is gone meanwhile. */
async function packsNamedBy (storage: SnapshotStorage, key: string, packs: Iterable<string>): Promise<string[]> {
  try {
    return packsNamed(await readAll(await storage.get(key)), packs)
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_STORAGE_MISSING') return []
    throw new Error(`no packs are removed as long as ${key} in ${storage.name} cannot be read, since it may name them: ${messageOf(error)}`, { cause: error })
  }
}
