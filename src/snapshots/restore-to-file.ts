import { randomUUID } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { link, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { SnapshotRow } from '../catalog/schema.ts'
import { codeOf, DestinationTakenError, messageOf, RestoreFailedError, SnapshotDamagedError } from '../errors.ts'
import { makeFolder, syncFolder } from '../storage/sync-folder.ts'
import type { SnapshotContext } from './context.ts'
import { folderOf, requireRoom } from './disk-space.ts'
import { isForCallers } from './operation-errors.ts'
import type { FileRestoreResult } from './outcomes.ts'
import { removeDatabase } from './remove-database.ts'
import { fromReplicas } from './replicas/read-replica.ts'
import { toSnapshot } from './snapshot.ts'
import { readManifest, stageDurably } from './stored-snapshot.ts'

/** Of another database they would be taken for those of the new one. */
const COMPANIONS = ['-wal', '-shm', '-journal']

/** Brings a snapshot as a database file to a path where nothing is. It is there once all of it is verified and durable. */
export async function restoreToFile (context: SnapshotContext, row: SnapshotRow, destination: string, signal: AbortSignal): Promise<FileRestoreResult> {
  const started = performance.now()
  const path = resolve(destination)
  try {
    requireFree(path, ...COMPANIONS.map(suffix => path + suffix))
    await placeFile(context, row, path, signal)
  } catch (error) {
    const explained = isForCallers(error) ? error : new RestoreFailedError(messageOf(error), { cause: error })
    context.logger.error({ err: error, snapshot: row.name, path }, `Restore to a file failed: ${messageOf(error)}`)
    throw explained
  }
  const durationMs = Math.round(performance.now() - started)
  context.logger.info({ snapshot: row.name, path, durationMs }, 'Snapshot restored to a file')
  return { snapshot: toSnapshot(row), path, durationMs }
}

async function placeFile (context: SnapshotContext, row: SnapshotRow, path: string, signal: AbortSignal): Promise<void> {
  const folder = folderOf(path)
  const partial = join(folder, `.restore_${randomUUID()}.partial`)
  await makeFolder(folder)
  try {
    await fromReplicas(context, row, async storage => {
      const manifest = await readManifest(storage, row)
      await requireRoom([{ folder, bytes: manifest.image.size, what: 'the database file' }])
      const { errors } = await stageDurably(context, storage, manifest, partial, signal)
      if (errors.length > 0 && manifest.integrity !== 'failed') throw new SnapshotDamagedError(errors.slice(0, 3).join('; '))
    })
    requireFree(...COMPANIONS.map(suffix => path + suffix))
    await link(partial, path) // fails where something is at the path by now
    await rm(partial)
    await syncFolder(folder)
  } catch (error) {
    throw codeOf(error) === 'EEXIST' ? new DestinationTakenError(path, { cause: error }) : error
  } finally {
    removeDatabase(partial)
  }
}

function requireFree (...paths: string[]): void {
  for (const path of paths) {
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw new DestinationTakenError(path)
  }
}
