import { recordReplica } from '../catalog/replicas.ts'
import type { SnapshotRow } from '../catalog/schema.ts'
import { updateSnapshotRow } from '../catalog/snapshots.ts'
import { codeOf, messageOf, SnapshotDamagedError } from '../errors.ts'
import { isStorageFailure } from '../storage/observed-storage.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import { checkPackEnds } from './check-pack-ends.ts'
import type { SnapshotContext } from './context.ts'
import { correctMarks, correctRow } from './correct-row.ts'
import { notingDamage } from './note-damage.ts'
import type { ReplicaVerification, Verification } from './outcomes.ts'
import { requireRestorable } from './restore-snapshot.ts'
import { readMarks } from './store-marks.ts'
import { readManifest, verifyImage } from './stored-snapshot.ts'

/**
 * Reads every stored byte of a snapshot in every storage that has it and holds it against the checksums; keeps the outcome in
 * the catalog.
 * @throws what a storage throws, where none could be judged
 */
export async function verifySnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<Verification> {
  requireRestorable(row, true)
  const started = performance.now()
  const isThere = ({ name }: SnapshotStorage): boolean => row.replicas.some(({ storage, state }) => storage === name && state !== 'PENDING')
  const storages = context.storages.map(({ storage }) => storage).filter(isThere)
  if (storages.length === 0) throw new SnapshotDamagedError(`${row.name} is in no storage that is configured`)
  const [replicas, failures]: [ReplicaVerification[], unknown[]] = [[], []]
  for (const storage of storages) replicas.push(await verifyReplica(context, row, storage, failures, signal))
  if (failures.length === storages.length) throw failures[0]

  const checkedAt = new Date().toISOString()
  const isHealthy = replicas.every(replica => replica.isHealthy !== false)
  const errors = replicas.flatMap(({ storage, errors }) => storages.length === 1 ? errors : errors.map(error => `${storage}: ${error}`))
  if (isHealthy) updateSnapshotRow(context.catalog, row.id, { verifiedAt: checkedAt })
  return { snapshot: row.name, id: row.id, isHealthy, errors, replicas, checkedAt, durationMs: Math.round(performance.now() - started) }
}

async function verifyReplica (context: SnapshotContext, row: SnapshotRow, storage: SnapshotStorage, failures: unknown[], signal: AbortSignal): Promise<ReplicaVerification> {
  try {
    await notingDamage(context, row, storage, async () => {
      const manifest = await readManifest(storage, row)
      await checkPackEnds(storage, manifest, await verifyImage(context, storage, manifest, signal))
      correctRow(context, row, manifest)
      const marks = await readMarks(storage, row).catch(unlessUnreadable)
      if (marks !== null) correctMarks(context, row, marks)
    })
    recordReplica(context.catalog, row.id, storage.name, 'STORED')
    return { storage: storage.name, isHealthy: true, errors: [] }
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_DAMAGED') return { storage: storage.name, isHealthy: false, errors: [messageOf(error)] }
    if (!isStorageFailure(error)) throw error
    failures.push(error)
    return { storage: storage.name, isHealthy: null, errors: [messageOf(error)] }
  }
}

/** Without its marks a snapshot still restores; who would change it is told. */
function unlessUnreadable (error: unknown): null {
  if (codeOf(error) !== undefined) throw error
  return null
}
