import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { usableNewestFirst } from '../catalog/snapshots.ts'
import type { SnapshotRow } from '../catalog/schema.ts'
import { codeOf, messageOf, RestoreFailedError } from '../errors.ts'
import { isStorageFailure } from '../storage/observed-storage.ts'
import { applyContent } from './apply-content.ts'
import { checkChangedDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { databaseBytes, folderOf, requireRoom } from './disk-space.ts'
import { migrateStaged } from './migrate-staged.ts'
import type { ResetResult } from './outcomes.ts'
import { removeOldBackups } from './pre-restore-backups.ts'
import { advance, recordedChange, UNCHANGED } from './record-change.ts'
import { removeDatabase } from './remove-database.ts'
import { stagedName } from './restore-intent.ts'
import { firstFree, timeStamp } from './snapshot-name.ts'
import { stageSnapshot } from './stage-snapshot.ts'
import { step } from '../step.ts'

type Skipped = ResetResult['skipped']

/**
 * Gives a damaged database a sound content again: the newest snapshot that verifies and opens healthy, or nothing but the
 * application's migrations. The files as they were are kept in a quarantine folder. Nothing is touched before the new content
 * is ready.
 * @throws FST_SNAPSHOT_RESTORE_FAILED where there is no snapshot to take
 */
export async function resetDatabase (context: SnapshotContext, from: 'latest-snapshot' | 'empty', signal: AbortSignal): Promise<ResetResult> {
  const { backup, ...result } = await recordedChange(context, { kind: 'reset', snapshotId: '', snapshotName: from }, signal, async change => {
    const image = context.temporaryFile(stagedName(change.id))
    const skipped: Skipped = []
    const { recoveryDir } = context.settings
    mkdirSync(recoveryDir, { recursive: true, mode: 0o700 })
    mkdirSync(folderOf(context.target.path), { recursive: true })
    await requireRoom([{ folder: recoveryDir, bytes: 2 * databaseBytes(context.target.path), what: 'the files of the database as they are, and a backup of it' }])
    const row = from === 'empty' ? await makeEmpty(context, image, signal) : await stageNewestSound(context, image, skipped, signal)
    advance(context, change, 'STAGED', row === null ? {} : { snapshotId: row.id, snapshotName: row.name })
    const quarantine = await keepFiles(context)
    step('reset: files kept')
    const { replacement } = await applyContent(context, change, { image, name: row?.name ?? 'an empty database', mayBeUnsound: false, copy: null }, 'pre_reset')
    advance(context, change, 'VERIFYING')
    const integrity = await checkChangedDatabase(context)
    if (!integrity.isHealthy) throw new RestoreFailedError(`the database is not sound after the reset: ${integrity.errors.slice(0, 3).join('; ')}. Its files from before are in ${String(quarantine)}`)
    return { snapshot: row?.name ?? null, quarantine, skipped, integrity, replacement, backup: change.backup }
  })
  context.logger.warn({ snapshot: result.snapshot, quarantine: result.quarantine, skipped: result.skipped }, 'The database was reset')
  removeOldBackups(context, backup)
  return result
}

/** Walks back from the newest snapshot to the first that is whole and sound. */
async function stageNewestSound (context: SnapshotContext, image: string, skipped: Skipped, signal: AbortSignal): Promise<SnapshotRow> {
  const { catalog, settings: { databaseName } } = context
  for (const row of usableNewestFirst(catalog, databaseName)) {
    try {
      await stageSound(context, row, image, signal).catch(async (error: unknown) => {
        if (codeOf(error) !== 'FST_SNAPSHOT_ENGINE_FAILED' && !isStorageFailure(error)) throw error
        removeDatabase(image)
        await stageSound(context, row, image, signal) // a process that was killed, or a storage that failed once, says nothing of the snapshot
      })
      return row
    } catch (error) {
      signal.throwIfAborted()
      removeDatabase(image)
      if (codeOf(error) === 'FST_SNAPSHOT_NO_ROOM') throw error // older ones have no more room
      skipped.push({ snapshot: row.name, reason: messageOf(error) })
      context.logger.warn({ err: error, snapshot: row.name }, `A snapshot cannot be used for the reset: ${messageOf(error)}`)
    }
  }
  const tried = skipped.map(({ snapshot, reason }) => `${snapshot} (${reason})`).join(', ')
  throw new RestoreFailedError(`there is no snapshot to reset the database from${tried === '' ? '' : `; tried were ${tried}`}. Choose from: 'empty' for an empty database${UNCHANGED}`)
}

async function stageSound (context: SnapshotContext, row: SnapshotRow, image: string, signal: AbortSignal): Promise<void> {
  await stageSnapshot(context, row, image, true, signal)
  await migrateStaged(context, image, signal)
}

async function makeEmpty (context: SnapshotContext, image: string, signal: AbortSignal): Promise<null> {
  await context.runEngine('make-empty', { file: image, like: context.target.path }, { signal })
  await migrateStaged(context, image, signal)
  return null
}

/** Copies, as the application may have the files open; where they must be moved, what replaces them does that. */
async function keepFiles (context: SnapshotContext): Promise<string | null> {
  const { target: { path }, settings: { recoveryDir } } = context
  const folder = join(recoveryDir, firstFree(`quarantine_${timeStamp(new Date())}`, '_', taken => existsSync(join(recoveryDir, taken))))
  return await context.runEngine('keep-files', { path, folder }) ? folder : null
}
