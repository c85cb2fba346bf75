import type { Replica, SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { codeOf, messageOf, SnapshotDamagedError } from '../errors.ts'
import { packKey } from '../format/keys.ts'
import type { Manifest } from '../format/manifest.ts'
import { decodePackIndex, encodePackIndex } from '../format/pack-index.ts'
import { MAP_MAGIC, SKIPPABLE_HEADER_BYTES, skippableFrame } from '../format/skippable-frame.ts'
import { readAll } from '../storage/storage-key.ts'
import type { SnapshotContext } from './context.ts'
import type { Verification } from './outcomes.ts'
import { requireRestorable } from './restore-snapshot.ts'
import { readManifest, stage } from './stored-snapshot.ts'

/** Reads every stored byte of a snapshot and holds it against the checksums; keeps the outcome in the catalog. */
export async function verifySnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<Verification> {
  const { catalog, storage, logger } = context
  requireRestorable(row, true)
  const started = performance.now()
  const errors: string[] = []
  let state: Replica['state'] = 'STORED'
  try {
    const manifest = await readManifest(context, row)
    await stage(context, manifest, null, signal)
    await checkPackEnd(context, manifest)
  } catch (error) {
    if (codeOf(error) !== 'FST_SNAPSHOT_DAMAGED') throw error
    state = codeOf((error as Error).cause) === 'FST_SNAPSHOT_STORAGE_MISSING' ? 'MISSING' : 'DAMAGED'
    errors.push(messageOf(error))
    logger.error({ err: error, snapshot: row.name }, 'A stored snapshot is damaged')
  }
  const checkedAt = new Date().toISOString()
  const isHealthy = errors.length === 0
  updateSnapshotRow(catalog, row.id, { replicas: [{ storage: storage.name, state }], ...(isHealthy && { verifiedAt: checkedAt }) })
  return { snapshot: row.name, id: row.id, isHealthy, errors, checkedAt, durationMs: Math.round(performance.now() - started) }
}

/** The pack's own index and the frames around it and the map, which a restore does without. */
async function checkPackEnd ({ storage }: SnapshotContext, { database, packs, map }: Manifest): Promise<void> {
  for (const { id, bytes } of packs) {
    const offset = map.offset - SKIPPABLE_HEADER_BYTES
    const end = await readAll(await storage.get(packKey(database, id), { range: { offset, length: bytes - offset + 1 } }))
    try {
      const index = encodePackIndex(decodePackIndex(end))
      const storedMap = end.subarray(SKIPPABLE_HEADER_BYTES, SKIPPABLE_HEADER_BYTES + map.storedLength)
      if (!Buffer.concat([skippableFrame(MAP_MAGIC, storedMap), index]).equals(end)) throw new Error('the end of the pack is not what was written')
    } catch (error) {
      throw new SnapshotDamagedError(messageOf(error), { cause: error })
    }
  }
}
