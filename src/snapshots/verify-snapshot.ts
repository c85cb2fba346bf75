import type { SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { codeOf, messageOf } from '../errors.ts'
import { checkPackEnds } from './check-pack-ends.ts'
import type { SnapshotContext } from './context.ts'
import type { Verification } from './outcomes.ts'
import { notingDamage } from './record-damage.ts'
import { requireRestorable } from './restore-snapshot.ts'
import { readManifest, verifyImage } from './stored-snapshot.ts'

/** Reads every stored byte of a snapshot and holds it against the checksums; keeps the outcome in the catalog. */
export async function verifySnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<Verification> {
  const { catalog, storage } = context
  requireRestorable(row, true)
  const started = performance.now()
  const errors: string[] = []
  try {
    await notingDamage(context, row, async () => {
      const manifest = await readManifest(context, row)
      await checkPackEnds(storage, manifest, await verifyImage(context, manifest, signal))
    })
  } catch (error) {
    if (codeOf(error) !== 'FST_SNAPSHOT_DAMAGED') throw error
    errors.push(messageOf(error))
  }
  const checkedAt = new Date().toISOString()
  const isHealthy = errors.length === 0
  if (isHealthy) updateSnapshotRow(catalog, row.id, { replicas: [{ storage: storage.name, state: 'STORED' }], verifiedAt: checkedAt })
  return { snapshot: row.name, id: row.id, isHealthy, errors, checkedAt, durationMs: Math.round(performance.now() - started) }
}
