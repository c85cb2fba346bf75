import type { SnapshotRow } from '../catalog/schema.ts'
import { findById, findLatest, findSnapshot } from '../catalog/snapshots.ts'
import { readStorage } from '../catalog/storage-states.ts'
import { InvalidNameError, InvalidRequestError, NotFoundError, withWords } from '../errors.ts'
import { requireFit } from '../schemas/fit.ts'
import { RestoreArguments, SnapshotQuery } from '../schemas/requests.ts'
import type { SnapshotContext } from './context.ts'
import type { Replicas } from './replicas/replicas.ts'
import { requireRestorable } from './restore-snapshot.ts'
import type { LatestOptions } from './snapshot.ts'
import type { RestoreOptions } from './writer-options.ts'

/**
 * The snapshot of a name, an id, or `latest`. A catalog that is new is completed first, as far as it matters, and what is not
 * known is looked for in storages that others may share.
 * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_STORAGE_* where a storage was never asked with success, or may have a newer one than the latest, FST_SNAPSHOT_INVALID_NAME, FST_SNAPSHOT_INVALID_REQUEST
 */
export async function findSnapshotBy (context: SnapshotContext, replicas: Replicas, reference: string, { before, ...others }: LatestOptions = {}): Promise<SnapshotRow> {
  requireFit(SnapshotQuery, { ...(before !== undefined && { before }), ...others }, 'options')
  // Callers without types may give anything.
  if (typeof reference !== 'string') throw new InvalidNameError(`(${typeof reference})`, 'a name is a text')
  const isLatest = reference === 'latest'
  const find = isLatest ? latestFinder(context, before) : () => findSnapshot(context.catalog, context.settings.databaseName, reference)
  await replicas.known(() => {
    const row = find()
    return row !== undefined && (isLatest ? !mayBeOutdated(context, replicas, row) : isMeant(context, row, reference))
  })
  let row = find()
  if (row === undefined || (isLatest && mayBeOutdated(context, replicas, row))) {
    await replicas.lookAgain(isLatest)
    row = find()
  }
  if (row === undefined) {
    replicas.requireListed()
    throw new NotFoundError(whatIsMissing(context, reference, before))
  }
  if (isLatest && replicas.failure !== null && mayBeOutdated(context, replicas, row)) throw withWords(replicas.failure.error, `There may be a newer snapshot than ${row.name}; meanwhile one can be restored by its name or id`)
  return row
}

/**
 * The snapshot of an id that was found before: it may have been deleted while the operation waited.
 * @throws FST_SNAPSHOT_NOT_FOUND
 */
export function presentSnapshot ({ catalog }: SnapshotContext, id: string): SnapshotRow {
  const row = findById(catalog, id)
  if (row?.deletedAt !== null) throw new NotFoundError(`snapshot ${id} any more`)
  return row
}

/** The same of one that is to be restored. @throws FST_SNAPSHOT_NOT_RESTORABLE as well */
export async function findRestorable (context: SnapshotContext, replicas: Replicas, reference: string, options: RestoreOptions): Promise<SnapshotRow> {
  requireFit(RestoreArguments, options, 'options')
  const { allowDamaged, ...latest } = options
  const { id } = await findSnapshotBy(context, replicas, reference, latest)
  return presentRestorable(context, id, options)
}

/** Asked again when its turn has come: by then it may be another one. @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE */
export function presentRestorable (context: SnapshotContext, id: string, { allowDamaged = false }: RestoreOptions): SnapshotRow {
  const row = presentSnapshot(context, id)
  requireRestorable(row, allowDamaged)
  return row
}

/**
 * Whether a storage that did not answer yet need not be waited for. Of one name this deployment's own is meant, which may be
 * there where its catalog was lost.
 */
function isMeant ({ catalog }: SnapshotContext, { id, source, replicas }: SnapshotRow, reference: string): boolean {
  const isSure = id === reference || source === catalog.source || !catalog.isReplaced
  return isSure && replicas.some(({ state }) => state === 'STORED')
}

/**
 * Whether a storage that was not asked may have a newer one: of another deployment at any time, of this one only as long as its
 * catalog, begun after the snapshot was made, has not been told of all that is stored.
 */
function mayBeOutdated ({ catalog }: SnapshotContext, replicas: Replicas, { source, createdAt }: SnapshotRow): boolean {
  return source !== catalog.source || (createdAt < catalog.createdAt && !replicas.isListed)
}

function whatIsMissing (context: SnapshotContext, reference: string, before: string | undefined): string {
  const of = `of database "${context.settings.databaseName}"`
  const notAsked = storagesNotAsked(context)
  const hint = (words: string): string => notAsked === '' ? `; ${words}` : notAsked
  if (reference !== 'latest') return `snapshot ${JSON.stringify(reference)} ${of}${hint('list the snapshots to see their names')}`
  return before === undefined ? `sound snapshot ${of} yet${hint('create one first')}` : `sound snapshot ${of} from before ${before}${hint('list the snapshots to see their times')}`
}

/** What is not known may be there. */
function storagesNotAsked ({ catalog, storages, settings: { databaseName } }: SnapshotContext): string {
  return storages.map(({ storage: { name } }) => {
    const state = readStorage(catalog, databaseName, name)
    return state?.isUp === false ? `; storage ${name} could not be asked: ${String(state.error?.message)}` : ''
  }).join('')
}

function latestFinder ({ catalog, settings: { databaseName } }: SnapshotContext, before: string | undefined): () => SnapshotRow | undefined {
  const moment = before === undefined ? undefined : momentOf(before)
  return () => findLatest(catalog, databaseName, moment)
}

/** A time in the catalog's form. Times are compared as text there, so they must all have one. */
function momentOf (time: string): string {
  const parsed = new Date(time)
  if (Number.isNaN(parsed.getTime())) throw new InvalidRequestError(`before: ${time} is not a time`)
  return parsed.toISOString()
}
