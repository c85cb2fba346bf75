import { mkdirSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import type { SnapshotRow } from '../catalog/schema.ts'
import { failedWithPacks, packsToShare, recordPacks } from '../catalog/snapshot-packs.ts'
import { PageCache, type CachedPack, type PageCacheDescription } from '../engine/create/page-cache.ts'
import type { ParentInput } from '../engine/create/parent-image.ts'
import { messageOf } from '../errors.ts'
import { manifestKey, marksKey, packKey } from '../format/keys.ts'
import type { SnapshotContext } from './context.ts'
import { removeEverywhere } from './remove-stored.ts'

/*
 * Which packs a new snapshot may share with earlier ones. What is not shared is stored anew, so in any doubt it is not.
 */

/** Packs beyond which only the largest is shared on: a restore reads them all, and a manifest lists them all. */
const MOST_PACKS = 32
/** Of what is stored, the part that must be in use by the last snapshot. */
const LEAST_ALIVE = 0.5

/** Null for a full snapshot. */
export async function chooseParent (context: SnapshotContext, full: boolean): Promise<ParentInput | null> {
  const { catalog, settings: { maxParentAge }, pageCacheFile } = context
  const description = full ? null : describeCache(pageCacheFile)
  const packs = packsWorthSharing(description?.packs ?? [], maxParentAge)
  if (packs.length === 0) return null
  const kept = packsToShare(catalog, packs.map(({ id }) => id))
  const isThere = await Promise.all(packs.map(async pack => kept.has(pack.id) && await isKnownStored(context, pack)))
  return { cache: pageCacheFile, usable: packs.filter((_, index) => isThere[index]).map(({ id }) => id) }
}

/**
 * Which packs of the last snapshot are worth referring to: none where one is too old, or the largest is mostly dead; only that
 * one where there are too many, or too much of them all is dead.
 */
export function packsWorthSharing (packs: CachedPack[], maxParentAge: number): CachedPack[] {
  const [base] = packs.toSorted((a, b) => b.liveBytes - a.liveBytes)
  if (base === undefined || !packs.every(({ storedAt }) => isYoung(storedAt, maxParentAge)) || base.liveBytes < base.bytes * LEAST_ALIVE) return []
  const [stored, alive] = packs.reduce(([bytes, live], pack) => [bytes + pack.bytes, live + pack.liveBytes], [0, 0])
  return packs.length > MOST_PACKS || alive < stored * LEAST_ALIVE ? [base] : packs
}

/** A cache that is gone or damaged costs a full snapshot, no more. */
function describeCache (file: string): PageCacheDescription | null {
  try {
    return PageCache.describe(file)
  } catch {
    return null
  }
}

/** A time in the future, after a clock was set back, says nothing. */
function isYoung (storedAt: string, maxAge: number): boolean {
  const age = Date.now() - Date.parse(storedAt)
  return age >= 0 && age < maxAge
}

/** A primary storage that does not say has no packs to share. */
async function isKnownStored (context: SnapshotContext, pack: CachedPack): Promise<boolean> {
  try {
    return await isStored(context, pack)
  } catch (error) {
    context.logger.warn({ err: error, pack: pack.id }, `It is not known whether a pack is still stored, so its pages are stored again: ${messageOf(error)}`)
    return false
  }
}

async function isStored ({ primary, settings: { databaseName } }: SnapshotContext, { id, bytes }: Pick<CachedPack, 'id' | 'bytes'>): Promise<boolean> {
  return (await primary.head(packKey(databaseName, id)))?.bytes === bytes
}

/**
 * Looks once more at the packs of others that a snapshot refers to, now that its manifest is stored and protects them.
 * @throws Error where one was removed meanwhile, by a process that does not share this one's lock; what the storage throws
 * where it does not say
 */
export async function requireStored (context: SnapshotContext, ownId: string, packs: Array<Pick<CachedPack, 'id' | 'bytes'>>): Promise<void> {
  const isThere = await Promise.all(packs.map(async pack => pack.id === ownId || await isStored(context, pack)))
  if (isThere.includes(false)) throw new Error('a pack that the snapshot shares with earlier ones was removed meanwhile. Two applications must not use copies of one snapshot folder; create the snapshot again')
}

/** What a creation is going to store, or to refer to: should it fail, it is known what may be left of it. */
export function notePacks ({ catalog }: SnapshotContext, snapshotId: string, packs: string[]): void {
  catalog.write(database => { recordPacks(database, snapshotId, packs) })
}

/** From now on the next snapshot may share what was stored with this one, whether or not this one will be completed. */
export function offerPages ({ pageCacheFile, logger }: SnapshotContext, nextCache: string): void {
  try {
    mkdirSync(dirname(pageCacheFile), { recursive: true, mode: 0o700 })
    renameSync(nextCache, pageCacheFile)
  } catch (error) {
    logger.warn({ err: error }, `The next snapshot will be a full one, as what is known of this one's pages could not be kept: ${messageOf(error)}`)
  }
}

/** Whether a creation that failed had come so far that its packs are of use to the next one. */
function isOffered ({ pageCacheFile }: SnapshotContext, snapshotId: string): boolean {
  return describeCache(pageCacheFile)?.id === snapshotId
}

/** Removes what is stored of a creation that came to nothing; a pack may be kept, which the next one need not store again. */
export async function abandon (context: SnapshotContext, { id, database }: Pick<SnapshotRow, 'id' | 'database'>, keepPack = true): Promise<void> {
  if (!keepPack || !isOffered(context, id)) return await removeEverywhere(context, { id, database })
  for (const storage of context.required) {
    for (const key of [manifestKey(database, id), marksKey(database, id)]) await storage.delete(key)
  }
}

/** The same for all of them; what could not be removed then is removed with the next creation. */
export async function releaseFailed (context: SnapshotContext, keepPack = true): Promise<void> {
  const { catalog, logger, settings: { databaseName } } = context
  try {
    for (const id of failedWithPacks(catalog, databaseName)) await abandon(context, { id, database: databaseName }, keepPack)
  } catch (error) {
    logger.warn({ err: error }, `What is stored of a failed snapshot could not be removed yet: ${messageOf(error)}`)
  }
}
