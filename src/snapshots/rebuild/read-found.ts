import type { Trigger } from '../../catalog/schema.ts'
import type { FoundSnapshot } from '../../catalog/snapshots.ts'
import { codeOf, messageOf } from '../../errors.ts'
import { manifestKey } from '../../format/keys.ts'
import { decodeManifest, type Manifest } from '../../format/manifest.ts'
import type { Marks } from '../../format/marks.ts'
import { isStorageFailure } from '../../storage/observed-storage.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import { readAll } from '../../storage/storage-key.ts'
import { columnsOf } from '../manifest-columns.ts'
import { checkName } from '../snapshot-name.ts'
import { readMarks } from '../store-marks.ts'
import { whatIsStored } from './find-packs.ts'
import type { Listing } from './list-storage.ts'

/** Whatever marks said that cannot be read: a snapshot that is kept does no harm. */
const UNREADABLE_MARKS: Marks = { revision: 0, pinned: true, labels: {}, deletedAt: null }

/** A manifest that makes no sense, or is of a newer version. */
export interface Unreadable { storage: string, key: string, error: string }

/**
 * Reads the manifest and the marks of a snapshot that was found in a storage.
 * @returns null where it was deleted meanwhile
 * @throws what the storage throws
 */
export async function readFound (storage: SnapshotStorage, database: string, id: string, listing: Listing, signal: AbortSignal): Promise<FoundSnapshot | Unreadable | null> {
  const key = manifestKey(database, id)
  try {
    const manifest = decodeManifest(await readAll(await storage.get(key, { signal })))
    if (manifest.id !== id || manifest.database !== database) throw new Error(`it is that of snapshot ${manifest.name} of ${manifest.database}`)
    checkName(manifest.name)
    const marks = listing.marks.has(id) ? await readMarks(storage, { id, database }, UNREADABLE_MARKS) : null
    const state = await whatIsStored(storage, database, manifest.packs, listing)
    return {
      row: {
        ...columnsOf(manifest),
        ...timesOf(manifest),
        id,
        database,
        name: manifest.name,
        status: 'COMPLETED',
        trigger: manifest.trigger as Trigger,
        source: marks?.source ?? manifest.source.id,
        sequence: manifest.sequence,
        storedSize: manifest.packs.find(pack => pack.id === id)?.bytes ?? 0,
        pinned: marks?.pinned ?? false,
        labels: marks?.labels ?? {},
        marksRevision: marks?.revision ?? 0,
        deletedAt: marks?.deletedAt ?? null,
        replicas: [{ storage: storage.name, state }]
      },
      packs: manifest.packs.map(pack => pack.id)
    }
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_STORAGE_MISSING') return null
    if (isStorageFailure(error) || signal.aborted) throw error
    return { storage: storage.name, key, error: messageOf(error) }
  }
}

/** In the form of the catalog, which compares times as text. */
function timesOf ({ createdAt, completedAt }: Manifest): { createdAt: string, completedAt: string, durationMs: number } {
  const [created, completed] = [new Date(createdAt), new Date(completedAt)]
  return { createdAt: created.toISOString(), completedAt: completed.toISOString(), durationMs: Math.max(0, completed.getTime() - created.getTime()) }
}
