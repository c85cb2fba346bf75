import { createHash } from 'node:crypto'
import { recordCopied } from '../../catalog/replicas.ts'
import type { SnapshotRow } from '../../catalog/schema.ts'
import { forgetDamagedPack, storagesWithDamage } from '../../catalog/snapshot-packs.ts'
import { findById } from '../../catalog/snapshots.ts'
import { codeOf, StorageError } from '../../errors.ts'
import { manifestKey, packKey } from '../../format/keys.ts'
import { encodeManifest, undamagedBody, type Manifest } from '../../format/manifest.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import { readAll } from '../../storage/storage-key.ts'
import type { SnapshotContext } from '../context.ts'
import { ownerIn } from '../own-snapshots.ts'
import { removePartialWrites } from '../remove-stored.ts'
import { marksOf, storeMarks } from '../store-marks.ts'
import { readManifest } from '../stored-snapshot.ts'
import { checkedPack } from './checked-pack.ts'
import { fromReplicas } from './read-replica.ts'

/** The storage that a copy was to be made in failed, and not one that was read. */
class DestinationFailure extends Error {}

/**
 * Makes, completes or repairs the copy of a snapshot in a storage. Only with the lock of that storage.
 * @throws what the storage throws; FST_SNAPSHOT_DAMAGED where no other storage has the snapshot whole
 */
export async function copySnapshot (context: SnapshotContext, row: SnapshotRow, destination: SnapshotStorage, signal: AbortSignal): Promise<void> {
  // Another deployment may have taken it over while this one could not ask.
  if (destination.fileOf === undefined && await ownerIn(context, destination, row) !== context.catalog.source) return
  const manifest = await fromReplicas(context, row, async storage => await readManifest(storage, row), destination.name)
  let current = row
  await copyStored(context, current, manifest, destination, signal)
  // Pins and labels may change until the copy is complete.
  while (!recordCopied(context.catalog, row.id, destination.name, current.marksRevision)) {
    current = findById(context.catalog, row.id) as SnapshotRow
    await copyStored(context, current, manifest, destination, signal)
  }
}

/** The packs that are missing or damaged there, the marks, and the manifest last, which makes it a snapshot there. */
export async function copyStored (context: SnapshotContext, row: SnapshotRow, manifest: Manifest, destination: SnapshotStorage, signal: AbortSignal): Promise<void> {
  for (const pack of manifest.packs) await copyPack(context, row, manifest, pack, destination, signal)
  if (row.marksRevision > 0) await storeMarks(destination, row, marksOf(row))
  await storeManifest(destination, manifest)
}

async function copyPack (context: SnapshotContext, row: SnapshotRow, manifest: Manifest, pack: Manifest['packs'][number], destination: SnapshotStorage, signal: AbortSignal): Promise<void> {
  const isDamaged = storagesWithDamage(context.catalog, pack.id).includes(destination.name)
  const isThere = !isDamaged && (await destination.head(packKey(manifest.database, pack.id)))?.bytes === pack.bytes
  if (isThere && (manifest.map.pack !== pack.id || await hasMap(destination, manifest, signal))) return
  await removePartialWrites(context, destination, { id: pack.id, database: manifest.database }) // of an earlier try, which nobody else would remove
  try {
    await fromReplicas(context, row, async source => { await sendPack(source, destination, manifest, pack, signal) }, destination.name)
  } catch (error) {
    throw error instanceof DestinationFailure ? error.cause : error
  }
  forgetDamagedPack(context.catalog, pack.id, destination.name)
}

/** The pack may have come with another snapshot, whose copy does not look at this one's page map. */
async function hasMap (storage: SnapshotStorage, { database, map }: Manifest, signal: AbortSignal): Promise<boolean> {
  const bytes = await readAll(await storage.get(packKey(database, map.pack), { range: { offset: map.offset, length: map.storedLength }, signal }))
  return createHash('sha256').update(bytes).digest('hex') === map.sha256
}

async function sendPack (source: SnapshotStorage, destination: SnapshotStorage, manifest: Manifest, pack: Manifest['packs'][number], signal: AbortSignal): Promise<void> {
  let fault: unknown
  const body = async function * (): AsyncGenerator<Uint8Array> {
    try {
      yield * checkedPack(source, manifest, pack, signal)
    } catch (error) {
      fault = error
      throw error
    }
  }
  try {
    await destination.put(packKey(manifest.database, pack.id), body(), { signal })
  } catch (error) {
    throw error === fault ? error : new DestinationFailure('', { cause: error })
  }
}

/** A manifest replaces nothing but a damaged one. */
async function storeManifest (destination: SnapshotStorage, manifest: Manifest): Promise<void> {
  const [key, bytes] = [manifestKey(manifest.database, manifest.id), encodeManifest(manifest)]
  try {
    await destination.put(key, bytes, { ifAbsent: true })
  } catch (error) {
    if (codeOf(error) !== 'FST_SNAPSHOT_STORAGE_EXISTS') throw error
    const there = await readAll(await destination.get(key))
    if (there.equals(bytes)) return
    if (isManifest(there)) throw new StorageError(destination.name, `${key} there is another snapshot than the one of that id here, and is left as it is`, { cause: error })
    await destination.put(key, bytes)
  }
}

/** Also one of a newer version. */
function isManifest (bytes: Buffer): boolean {
  try {
    undamagedBody(bytes)
    return true
  } catch {
    return false
  }
}
