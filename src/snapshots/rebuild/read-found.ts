import type { Trigger } from '../../catalog/schema.ts'
import type { FoundSnapshot } from '../../catalog/found-snapshots.ts'
import { codeOf, messageOf } from '../../errors.ts'
import { manifestKey, marksKey } from '../../format/keys.ts'
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

/** What was made of a snapshot in a storage. */
export interface Reading { found: FoundSnapshot | null, unreadable: Unreadable[] }

/** A manifest that makes no sense or is of a newer version, or marks that make no sense. */
export interface Unreadable { storage: string, key: string, error: string }

/**
 * Reads the manifest and the marks of a snapshot that was found in a storage.
 * @returns nothing where it was deleted meanwhile
 * @throws what the storage throws
 */
export async function readFound (storage: SnapshotStorage, database: string, id: string, listing: Listing, signal: AbortSignal): Promise<Reading> {
  const key = manifestKey(database, id)
  try {
    const manifest = decodeManifest(await readAll(await storage.get(key, { signal })))
    if (manifest.id !== id || manifest.database !== database) throw new Error(`it is that of snapshot ${manifest.name} of ${manifest.database}`)
    checkName(manifest.name)
    const { marks, unreadable } = listing.marks.has(id) ? await tryMarks(storage, database, id) : { marks: null, unreadable: [] }
    const state = await whatIsStored(storage, database, manifest.packs, listing)
    const found: FoundSnapshot = {
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
        takeovers: marks?.takeovers ?? 0,
        deletedAt: marks?.deletedAt ?? null
      },
      marks,
      packs: manifest.packs.map(pack => pack.id),
      storage: storage.name,
      state
    }
    return { found, unreadable }
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_STORAGE_MISSING') return { found: null, unreadable: [] }
    if (isStorageFailure(error) || signal.aborted) throw error
    return { found: null, unreadable: [{ storage: storage.name, key, error: messageOf(error) }] }
  }
}

/** Without its marks a snapshot still restores; it is not changed as long as they cannot be read. */
async function tryMarks (storage: SnapshotStorage, database: string, id: string): Promise<{ marks: Marks | null, unreadable: Unreadable[] }> {
  try {
    return { marks: await readMarks(storage, { id, database }), unreadable: [] }
  } catch (error) {
    if (codeOf(error) !== undefined) throw error
    return { marks: null, unreadable: [{ storage: storage.name, key: marksKey(database, id), error: messageOf(error) }] }
  }
}

/** In the form of the catalog, which compares times as text. */
function timesOf ({ createdAt, completedAt }: Manifest): { createdAt: string, completedAt: string, durationMs: number } {
  const [created, completed] = [new Date(createdAt), new Date(completedAt)]
  return { createdAt: created.toISOString(), completedAt: completed.toISOString(), durationMs: Math.max(0, completed.getTime() - created.getTime()) }
}
