import type { SnapshotRow } from '../catalog/schema.ts'
import { findLatest, findSnapshot } from '../catalog/snapshots.ts'
import { readStorage } from '../catalog/storage-states.ts'
import { InvalidNameError, InvalidRequestError, NotFoundError } from '../errors.ts'
import { requireFit } from '../schemas/fit.ts'
import { SnapshotQuery } from '../schemas/requests.ts'
import type { SnapshotContext } from './context.ts'
import type { Replicas } from './replicas/replicas.ts'
import type { LatestOptions } from './snapshot.ts'

/**
 * The snapshot of a name, an id, or `latest`. A catalog that is new is completed first, and what is not known is looked for in
 * storages that others may share.
 * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_STORAGE_* where a storage was never asked with success, FST_SNAPSHOT_INVALID_NAME, FST_SNAPSHOT_INVALID_REQUEST
 */
export async function findSnapshotBy (context: SnapshotContext, replicas: Replicas, reference: string, { before, ...others }: LatestOptions = {}): Promise<SnapshotRow> {
  requireFit(SnapshotQuery, { ...(before !== undefined && { before }), ...others }, 'options')
  // Callers without types may give anything.
  if (typeof reference !== 'string') throw new InvalidNameError(`(${typeof reference})`, 'a name is a text')
  const find = reference === 'latest' ? latestFinder(context, before) : () => findSnapshot(context.catalog, context.settings.databaseName, reference)
  await replicas.known()
  let row = find()
  const isUncertain = row === undefined || (reference === 'latest' && row.source !== context.catalog.source)
  if (isUncertain) {
    await replicas.lookAgain()
    row = find()
  }
  if (row !== undefined) return row
  replicas.requireListed()
  throw new NotFoundError(whatIsMissing(context, reference, before))
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
