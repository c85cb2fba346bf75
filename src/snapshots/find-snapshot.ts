import type { SnapshotRow } from '../catalog/schema.ts'
import { findLatest, findSnapshot } from '../catalog/snapshots.ts'
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
  if (reference !== 'latest') throw new NotFoundError(`snapshot ${JSON.stringify(reference)}; list the snapshots to see their names`)
  throw new NotFoundError(before === undefined ? 'sound snapshot yet; create one first' : `sound snapshot from before ${before}; list the snapshots to see their times`)
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
