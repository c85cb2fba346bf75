import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { RecordedError, Replica, SnapshotRow } from '../catalog/schema.ts'
import { restoresUnderWay } from '../catalog/restores.ts'
import { recordCreated, recordCreationFailed, snapshotsWithStatus, unfinishedDeletions } from '../catalog/snapshots.ts'
import { removeFresh } from '../engine/apply/own-files.ts'
import { codeOf, InterruptedError, messageOf } from '../errors.ts'
import { databasePrefix } from '../format/keys.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import type { SnapshotContext } from './context.ts'
import { finishDeletion } from './delete-snapshot.ts'
import { sweepDrill } from './drills/scratch.ts'
import { PARTIAL_BACKUP } from './live-content.ts'
import { columnsOf } from './manifest-columns.ts'
import { lockStorage } from './replicas/lock-storage.ts'
import { removePartialWrites } from './remove-stored.ts'
import { INTENT } from './restore-intent.ts'
import { settleRestores } from './settle-restore.ts'
import { abandon } from './share-packs.ts'
import { readWhole } from './stored-snapshot.ts'
import { step } from '../step.ts'

/** How long copies are waited for; what is left for them is removed after the next start. */
const COPY_WAIT_MS = 1000

/**
 * Settles what a killed process left unfinished: whatever is under way in the catalog while nobody holds the lock. Only
 * under the operation lock.
 */
export async function settleInterrupted (context: SnapshotContext, isFirst: boolean): Promise<void> {
  const { catalog, settings: { databaseName }, required } = context
  const creations = snapshotsWithStatus(catalog, databaseName, ['CREATING'])
  const restores = restoresUnderWay(catalog, databaseName)
  for (const row of unfinishedDeletions(catalog, databaseName)) {
    if (await finishDeletion(context, row, required) !== 'done') break // the others would wait, or fail, as well
  }
  if (!isFirst && creations.length + restores.length === 0) return
  await settleRestores(context) // by files that are swept next
  step('settle: restores settled')
  sweepTemporaryFiles(context)
  sweepDrill(context)
  step('settle: files swept')
  for (const storage of required) await removeKilledWrites(context, storage, creations)
  for (const row of creations) await settleCreation(context, row)
  step('settle: settled')
}

/**
 * What a killed creation was writing. In a place that others may share, such as a bucket, only what is this deployment's own:
 * what they are writing looks the same.
 */
async function removeKilledWrites (context: SnapshotContext, storage: SnapshotStorage, creations: SnapshotRow[]): Promise<void> {
  if (storage.fileOf !== undefined) return await removeUnlessInUse(context, storage)
  for (const row of creations) await removePartialWrites(context, storage, row)
}

/** Copies are made without the operation lock: while one is, what it writes is not a killed process's. */
async function removeUnlessInUse (context: SnapshotContext, storage: SnapshotStorage): Promise<void> {
  const lock = await lockStorage(context, storage, COPY_WAIT_MS)
  if (lock === null) return
  try {
    await storage.removePartialWrites(databasePrefix(context.settings.databaseName))
  } finally {
    lock.release()
  }
}

/** A creation whose manifest is stored and whose pack is whole had happened; any other is undone. */
async function settleCreation (context: SnapshotContext, row: SnapshotRow): Promise<void> {
  const { catalog, primary, logger } = context
  try {
    const manifest = await readWhole(primary, row)
    const packs = manifest.packs.map(({ id }) => id)
    const storedSize = manifest.packs.find(({ id }) => id === row.id)?.bytes ?? 0
    const durationMs = Date.parse(manifest.completedAt) - Date.parse(row.createdAt)
    recordCreated(catalog, row.id, { ...columnsOf(manifest), durationMs, storedSize, replicas: replicasOfSettled(context) }, packs)
    logger.warn({ snapshot: row.name }, 'An interrupted snapshot was found complete')
  } catch (error) {
    if (codeOf(error) !== 'FST_SNAPSHOT_DAMAGED') throw error
    await abandon(context, row, true)
    recordCreationFailed(catalog, row.id, interrupted('the process ended during the creation'), new Date().toISOString())
    logger.warn({ snapshot: row.name, reason: messageOf(error) }, 'An interrupted snapshot was removed')
  }
}

/** The primary storage has it; whether the others do, required ones as well, is found out in the background. */
function replicasOfSettled ({ storages, primary }: SnapshotContext): Replica[] {
  return storages.map(({ storage: { name } }) => ({ storage: name, state: name === primary.name ? 'STORED' : 'PENDING' }))
}

/** Nothing is under way any more that they might be needed for. */
function sweepTemporaryFiles ({ temporaryDir, target, settings: { recoveryDir } }: SnapshotContext): void {
  rmSync(temporaryDir, { recursive: true, force: true })
  removeFresh(target.path)
  if (!existsSync(recoveryDir)) return
  for (const file of readdirSync(recoveryDir)) {
    if (PARTIAL_BACKUP.test(file) || INTENT.test(file)) rmSync(join(recoveryDir, file), { recursive: true, force: true })
  }
}

function interrupted (how: string): RecordedError {
  const { code, message } = new InterruptedError(how)
  return { code, message }
}
