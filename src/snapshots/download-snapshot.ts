import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { SnapshotRow } from '../catalog/schema.ts'
import type { SnapshotContext } from './context.ts'
import { requireRoom } from './disk-space.ts'
import { removeDatabase } from './remove-database.ts'
import { fromReplicas } from './replicas/read-replica.ts'
import { requireRestorable } from './restore-snapshot.ts'
import { toSnapshot, type Snapshot } from './snapshot.ts'
import { readManifest, stage } from './stored-snapshot.ts'

/** The plain database file of a snapshot, every byte of it checked before the first one is given out. */
export async function downloadSnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<{ snapshot: Snapshot, stream: Readable }> {
  requireRestorable(row, true)
  const file = context.temporaryFile(`download-${randomUUID()}.db`)
  try {
    await fromReplicas(context, row, async storage => {
      const manifest = await readManifest(storage, row)
      await requireRoom([{ folder: context.temporaryDir, bytes: manifest.image.size, what: 'the file to send' }])
      await stage(context, storage, manifest, file, false, signal)
    })
    const handle = await open(file)
    return { snapshot: toSnapshot(row), stream: handle.createReadStream({ highWaterMark: 256 * 1024 }) }
  } finally {
    removeDatabase(file) // the open stream keeps the content
  }
}
