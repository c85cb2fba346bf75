import type { Replica, SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { codeOf, messageOf } from '../errors.ts'
import { checkPackEnds } from './check-pack-ends.ts'
import type { SnapshotContext } from './context.ts'
import type { Verification } from './outcomes.ts'
import { requireRestorable } from './restore-snapshot.ts'
import { readManifest, verifyImage } from './stored-snapshot.ts'

/** Reads every stored byte of a snapshot and holds it against the checksums; keeps the outcome in the catalog. */
export async function verifySnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<Verification> {
  const { catalog, storage, logger } = context
  requireRestorable(row, true)
  const started = performance.now()
  const errors: string[] = []
  let state: Replica['state'] = 'STORED'
  try {
    const manifest = await readManifest(context, row)
    await checkPackEnds(storage, manifest, await verifyImage(context, manifest, signal))
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
