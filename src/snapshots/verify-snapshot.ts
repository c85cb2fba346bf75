import { recordSound } from '../catalog/replicas.ts'
import type { SnapshotRow } from '../catalog/schema.ts'
import { nextToVerify, recordLookedAt, recordVerified } from '../catalog/verifications.ts'
import { codeOf, messageOf, SnapshotDamagedError } from '../errors.ts'
import type { Manifest } from '../format/manifest.ts'
import type { Marks } from '../format/marks.ts'
import { isStorageFailure } from '../storage/observed-storage.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import { checkPackEnds } from './check-pack-ends.ts'
import type { SnapshotContext } from './context.ts'
import { correctMarks, correctRow } from './correct-row.ts'
import { presentSnapshot } from './find-snapshot.ts'
import { noteJobDone } from './note-job-done.ts'
import type { ReplicaVerification, Verification } from './outcomes.ts'
import { readStored } from './replicas/read-stored.ts'
import { requireRestorable } from './restore-snapshot.ts'
import { runAtLast } from './run-operation.ts'
import { readMarks } from './store-marks.ts'
import { readManifest, verifyImage } from './stored-snapshot.ts'

/**
 * Reads every stored byte of a snapshot in every storage that has it and holds it against the checksums; keeps the outcome in
 * the catalog. No operation waits for the reading.
 * @throws FST_SNAPSHOT_NOT_RESTORABLE, FST_SNAPSHOT_NOT_FOUND where it was deleted meanwhile, FST_SNAPSHOT_BUSY; what a storage throws, where none could be judged
 */
export async function verifySnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<Verification> {
  requireRestorable(row, true)
  const started = performance.now()
  const [replicas, failures]: [ReplicaVerification[], unknown[]] = [[], []]
  for (const { storage } of context.storages) {
    const replica = await verifyReplica(context, row, storage, failures, signal)
    if (replica !== null) replicas.push(replica)
  }
  if (replicas.length === 0) throw new SnapshotDamagedError(`${row.name} is in no storage that is configured`)
  if (failures.length === replicas.length) throw failures[0]

  const checkedAt = new Date().toISOString()
  const isHealthy = replicas.every(replica => replica.isHealthy !== false)
  const errors = replicas.flatMap(({ storage, errors }) => replicas.length === 1 ? errors : errors.map(error => `${storage}: ${error}`))
  recordVerified(context.catalog, row, isHealthy, checkedAt)
  noteJobDone(context, 'verify')
  return { snapshot: row.name, id: row.id, isHealthy, errors, replicas, checkedAt, durationMs: Math.round(performance.now() - started) }
}

/** The same of the one whose turn it is; null where there is none. One that cannot be read has had its turn as well. */
export async function verifyNext (context: SnapshotContext, signal: AbortSignal): Promise<Verification | null> {
  const { catalog, settings: { databaseName } } = context
  const next = nextToVerify(catalog, databaseName)
  if (next === undefined) {
    noteJobDone(context, 'verify')
    return null
  }
  const row = presentSnapshot(context, next.id)
  recordLookedAt(catalog, row.id, new Date().toISOString())
  try {
    return await verifySnapshot(context, row, signal)
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_NOT_FOUND') return await verifyNext(context, signal) // deleted meanwhile
    if (codeOf(error) === 'FST_SNAPSHOT_BUSY') recordLookedAt(catalog, row.id, row.checkedAt) // the reading did not begin
    throw error
  }
}

/** Null where the storage does not have it. */
async function verifyReplica (context: SnapshotContext, { id }: SnapshotRow, storage: SnapshotStorage, failures: unknown[], signal: AbortSignal): Promise<ReplicaVerification | null> {
  try {
    return await readStored(context, id, storage, signal, async row => {
      const manifest = await readManifest(storage, row)
      await checkPackEnds(storage, manifest, await verifyImage(context, storage, manifest, signal))
      const marks = await readMarks(storage, row).catch(unlessUnreadable)
      await runAtLast(context, async () => { noteSound(context, row, storage, manifest, marks) }, signal)
      return { storage: storage.name, isHealthy: true, errors: [] }
    })
  } catch (error) {
    if (codeOf(error) === 'FST_SNAPSHOT_DAMAGED') return { storage: storage.name, isHealthy: false, errors: [messageOf(error)] }
    if (!isStorageFailure(error)) throw error
    failures.push(error)
    return { storage: storage.name, isHealthy: null, errors: [messageOf(error)] }
  }
}

/** @param before as it was when the reading began */
function noteSound (context: SnapshotContext, before: SnapshotRow, { name }: SnapshotStorage, manifest: Manifest, marks: Marks | null): void {
  const row = presentSnapshot(context, before.id)
  correctRow(context, row, manifest)
  if (marks !== null && row.marksRevision === before.marksRevision) correctMarks(context, row, marks)
  recordSound(context.catalog, before, name)
}

/** Without its marks a snapshot still restores; who would change it is told. */
function unlessUnreadable (error: unknown): null {
  if (codeOf(error) !== undefined) throw error
  return null
}
