import type { SnapshotRow } from '../catalog/schema.ts'
import { recordOwner } from '../catalog/found-snapshots.ts'
import { readStorage } from '../catalog/storage-states.ts'
import { codeOf, messageOf, NotOwnError, SnapshotDamagedError } from '../errors.ts'
import { marksKey } from '../format/keys.ts'
import type { Marks } from '../format/marks.ts'
import { isStorageFailure } from '../storage/observed-storage.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import type { SnapshotContext } from './context.ts'
import { correctMarks } from './correct-row.ts'
import { firstFree } from './snapshot-name.ts'
import { readMarks } from './store-marks.ts'

/**
 * Another deployment's snapshots are read and never changed. Whether one of this deployment was taken over meanwhile, the
 * storages tell; one that cannot be asked now is asked before anything is changed in it.
 * @throws FST_SNAPSHOT_NOT_OWN; FST_SNAPSHOT_DAMAGED where it cannot be told
 */
export async function requireOwn (context: SnapshotContext, row: SnapshotRow): Promise<void> {
  let owner = row.source
  for (const { storage, isRequired } of context.storages) {
    if (owner !== context.catalog.source) break
    if (isRequired) owner = await ownerIn(context, storage, row)
    else if (isWorthAsking(context, storage, row)) owner = await ownerIn(context, storage, row).catch((error: unknown) => ownerUnlessDown(error, row))
  }
  if (owner !== context.catalog.source) throw new NotOwnError(row.name, row.sourceHost === null ? owner : `${owner}, made on ${row.sourceHost}`)
}

/**
 * Whose a snapshot of this deployment is by now, as a storage has it; what that has from before the last takeover says nothing.
 * That of another one is noted.
 * @throws what the storage throws; FST_SNAPSHOT_DAMAGED where its marks make no sense
 */
export async function ownerIn (context: SnapshotContext, storage: SnapshotStorage, row: SnapshotRow): Promise<string> {
  const marks = await readOwn(storage, row)
  if (marks === null || (marks.takeovers ?? 0) < row.takeovers) return row.source
  correctMarks(context, row, marks)
  const owner = marks.source ?? row.source
  if (owner !== row.source) recordOwner(context.catalog, row.id, marks, (name, isTaken) => firstFree(name, '-', isTaken))
  return owner
}

async function readOwn (storage: SnapshotStorage, row: SnapshotRow): Promise<Marks | null> {
  try {
    return await readMarks(storage, row)
  } catch (error) {
    if (codeOf(error) !== undefined) throw error
    throw new SnapshotDamagedError(`what ${storage.name} has under ${marksKey(row.database, row.id)} makes no sense: ${messageOf(error)}. Whose ${row.name} is, and whether it is pinned, stands there: it is neither changed nor deleted until that object is put right, or removed`, { cause: error })
  }
}

function isWorthAsking ({ catalog, settings: { databaseName } }: SnapshotContext, { name }: SnapshotStorage, { replicas }: SnapshotRow): boolean {
  return replicas.some(({ storage }) => storage === name) && readStorage(catalog, databaseName, name)?.isUp !== false
}

function ownerUnlessDown (error: unknown, { source }: SnapshotRow): string {
  if (!isStorageFailure(error)) throw error
  return source
}
