import type { SnapshotRow } from '../catalog/schema.ts'
import { SnapshotDamagedError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { requireRoom } from './disk-space.ts'
import { fromReplicas } from './replicas/read-replica.ts'
import { readManifest, stage } from './stored-snapshot.ts'

/**
 * Brings the image of a snapshot, every byte of it verified, to a temporary file.
 * @param mustBeSound whether quick_check has to pass as well, unless the snapshot is known to be of a damaged database
 * @throws FST_SNAPSHOT_DAMAGED, FST_SNAPSHOT_NO_ROOM, FST_SNAPSHOT_STORAGE_*
 */
export async function stageSnapshot (context: SnapshotContext, row: SnapshotRow, file: string, mustBeSound: boolean, signal: AbortSignal): Promise<void> {
  await fromReplicas(context, row, async storage => {
    const manifest = await readManifest(storage, row)
    await requireRoom([{ folder: context.temporaryDir, bytes: manifest.image.size, what: 'the staged snapshot' }])
    const { errors } = await stage(context, storage, manifest, file, mustBeSound && manifest.integrity !== 'failed', signal)
    if (errors.length > 0) throw new SnapshotDamagedError(errors.slice(0, 3).join('; '))
  })
}
