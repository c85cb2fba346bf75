import { basename } from 'node:path'
import { arePacksKnown, forgetSuspect, packsInUse } from '../catalog/snapshot-packs.ts'
import { messageOf } from '../errors.ts'
import { manifestPrefix, packKey } from '../format/keys.ts'
import { decodeManifest } from '../format/manifest.ts'
import { readAll } from '../storage/storage-key.ts'
import type { SnapshotContext } from './context.ts'

/**
 * Removes those of some packs that no snapshot needs any more, but for one that is being removed itself. Only of packs that this deployment made, and only under the
 * operation lock: then no creation is under way that may refer to them.
 * @throws Error where a manifest cannot be read, which may name any of them; then none is removed
 */
export async function sweepPacks ({ catalog, storage, settings: { databaseName } }: SnapshotContext, candidates: readonly string[], except: string): Promise<void> {
  const inUse = packsInUse(catalog, [...candidates], except)
  const unused = new Set(candidates.filter(pack => !inUse.has(pack)))
  if (unused.size === 0) return
  // What the catalog has lost in a crash of the machine, the storage still has.
  for await (const { key } of storage.list(manifestPrefix(databaseName))) {
    if (arePacksKnown(catalog, basename(key, '.json'))) continue
    for (const { id } of (await manifestAt(storage, key)).packs) unused.delete(id)
  }
  for (const pack of unused) {
    await storage.delete(packKey(databaseName, pack))
    forgetSuspect(catalog, pack)
  }
}

async function manifestAt (storage: SnapshotContext['storage'], key: string): Promise<ReturnType<typeof decodeManifest>> {
  try {
    return decodeManifest(await readAll(await storage.get(key)))
  } catch (error) {
    throw new Error(`no packs are removed as long as ${key} in ${storage.name} cannot be read, since it may name them: ${messageOf(error)}`, { cause: error })
  }
}
