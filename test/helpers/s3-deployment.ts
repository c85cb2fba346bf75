import type Database from 'better-sqlite3'
import { createHash, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Test } from 'tap'
import { S3Storage, type S3StorageOptions, type Snapshot, type SnapshotOptions, type SnapshotWriter } from '../../src/index.ts'
import { isSnapshotError } from '../../src/errors.ts'
import { makeDatabase } from './databases.ts'
import { FaultProxy, type Fault } from './fault-proxy.ts'
import { testFolder } from './folder.ts'
import { writerFor } from './round-trip.ts'
import { makeFaultyStorage, type FaultyStorage } from './s3-storages.ts'

export type S3Server = () => Promise<S3StorageOptions & { endpoint: string }>

/** What goes wrong: with one request, or with each from that one on. Nothing is tried twice, so each fault counts. */
export interface Trouble { fault: Fault, stays?: boolean }

const GUARD_MS = 120_000

/** To the bucket itself, or through the proxy: patiently, or in a hurry and with one try of each request. */
type Way = 'direct' | 'patient' | 'faulty'

/** An application whose snapshots are in a bucket behind a proxy that can let requests go wrong. */
export interface S3Deployment extends FaultyStorage {
  path: string
  application: Database.Database
  storages: Record<Way, S3Storage>
  writer: (way: Way, options?: SnapshotOptions) => SnapshotWriter
}

export async function deployOnS3 (t: Test, server: S3Server, blobBytes = 0): Promise<S3Deployment> {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path)
  t.teardown(() => { application.close() })
  if (blobBytes > 0) application.exec(`INSERT INTO items (data) VALUES (randomblob(${blobBytes}))`)
  const place = { prefix: `test/${randomUUID()}`, partSize: 5 * 2 ** 20, ...await server() }
  const faulty = await makeFaultyStorage(t, place, { maxAttempts: 1, stallTimeout: 400, requestTimeout: 2000 })
  const storages = { direct: faulty.direct, patient: new S3Storage({ ...place, endpoint: faulty.proxy.endpoint }), faulty: faulty.storage }
  return { ...faulty, path, application, storages, writer: (way, options) => writerFor(t, path, { storage: storages[way], ...options }) }
}

/** Lets the n-th request from now on go wrong, or each from there on. */
export function trouble (proxy: FaultProxy, { fault, stays = false }: Trouble, nth: number): void {
  let count = 0
  proxy.decide = () => {
    count++
    return count === nth || (stays && count > nth) ? fault : undefined
  }
}

export const nameOf = ({ fault, stays = false }: Trouble): string => `${typeof fault === 'string' ? fault : JSON.stringify(fault)}${stays ? ' from there on' : ''}`

/** How an operation ended: it must end, and its error must be coded and say where to look. */
export async function outcomeOf<T> (t: Test, what: string, operation: Promise<T>): Promise<{ result: T } | { error: Error & { code: string } }> {
  try {
    return { result: await inTime(what, operation) }
  } catch (error) {
    t.ok(isSnapshotError(error), `${what}: ${String(error)} has a code`)
    t.match((error as Error).message, /bucket "(bucket|snapshots-test)"|damaged|has no object/, `${what}: the message names the bucket`)
    return { error: error as Error & { code: string } }
  }
}

async function inTime<T> (what: string, operation: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => { late.reject(new Error(`${what}: it hangs`)) }, GUARD_MS)
  return await Promise.race([operation, late.promise]).finally(() => { clearTimeout(timer) })
}

/** How many requests something takes where nothing goes wrong. */
export async function countRequests (proxy: FaultProxy, operation: () => Promise<unknown>): Promise<number> {
  proxy.decide = () => undefined
  const before = proxy.requests.length
  await operation()
  return proxy.requests.length - before
}

/** All that is listed, failed ones included. */
export async function allSnapshots (writer: SnapshotWriter): Promise<Snapshot[]> {
  return (await writer.listSnapshots({ limit: 1000 })).snapshots
}

/** A digest of the whole image of a database as a connection sees it. */
export function bitsOf (database: Database.Database): string {
  return createHash('sha256').update(database.serialize()).digest('hex')
}

/** The same but for what SQLite counts in the header of a live database: changes, schema changes, and its own version. */
export function pagesOf (database: Database.Database): string {
  const image = database.serialize()
  for (const [start, end] of [[24, 28], [40, 44], [92, 100]]) image.fill(0, start, end)
  return createHash('sha256').update(image).digest('hex')
}
