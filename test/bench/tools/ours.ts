import { createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Snapshot, SnapshotStorage, SnapshotWriter as Writer } from '../../../src/index.ts'
import { SnapshotWriter } from '../../helpers/built.ts'
import { requireSound } from '../data.ts'
import { folderBytes, type Place } from '../place.ts'

export interface Ours {
  writer: Writer
  snapshotDir: string
  storedBytes: () => number
  /** Throws unless a snapshot is sound: every stored byte, and what is restored from it. */
  check: (name: string) => Promise<void>
  restoreToFile: (name: string, path: string) => Promise<void>
  /** Closes it and removes everything. */
  end: () => Promise<void>
}

/** A writer with folders of its own. Without the integrity check, as that passed just now; the default checks each time. */
export async function oursAt (place: Place, name: string, { isChecking, storage }: { isChecking: boolean, storage?: SnapshotStorage }): Promise<Ours> {
  const snapshotDir = place.file(`${name}-snapshots`)
  const writer = new SnapshotWriter({
    database: place.database,
    databaseName: name,
    snapshotDir,
    recoveryDir: place.file(`${name}-recovery`),
    ...(storage && { storage }),
    ...(!isChecking && { integrityCheckMaxAge: 0x7fffffff })
  })
  if (!isChecking) await writer.recovery.validateDatabaseIntegrity()
  const restoreToFile = async (snapshot: string, path: string): Promise<void> => { await restoreTo(writer, snapshot, path) }
  return {
    writer,
    snapshotDir,
    storedBytes: () => folderBytes(`${snapshotDir}/${name}`),
    restoreToFile,
    check: async snapshot => {
      const { isHealthy, errors } = await writer.verifySnapshot(snapshot)
      if (!isHealthy) throw new Error(errors.join('; '))
      const restored = place.file(`${name}-check.db`)
      await restoreToFile(snapshot, restored)
      requireSound(restored, place.rows)
      place.remove(`${name}-check.db`)
    },
    end: async () => {
      await writer.close()
      place.remove(`${name}-snapshots`, `${name}-recovery`)
    }
  }
}

/** Where there is no method for it, the download, made durable. */
async function restoreTo (writer: Writer & { restoreToFile?: (name: string, path: string) => Promise<unknown> }, name: string, path: string): Promise<void> {
  if (writer.restoreToFile !== undefined) {
    await writer.restoreToFile(name, path)
    return
  }
  const { stream } = await writer.downloadSnapshot(name)
  await pipeline(stream, createWriteStream(path))
  const handle = await open(path)
  await handle.sync()
  await handle.close()
}

export type { Snapshot }
