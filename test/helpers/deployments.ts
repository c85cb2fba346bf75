import type Database from 'better-sqlite3'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { LocalStorage, type Snapshot, type SnapshotOptions, type SnapshotStorage, type SnapshotWriter } from '../../src/index.ts'
import { readAll } from '../../src/storage/storage-key.ts'
import { makeDatabase } from './databases.ts'
import { writerFor } from './round-trip.ts'

/** A host of its own, with a database `app`, local snapshots and a storage that others use as well. */
export interface Deployment {
  /** Everything the host has. */
  folder: string
  path: string
  snapshotDir: string
  remote: SnapshotStorage
  writer: SnapshotWriter
  application: Database.Database
}

export function deploy (t: Test, host: string, remote: SnapshotStorage, options: SnapshotOptions = {}): Deployment {
  const folder = join(t.testdirName, host)
  mkdirSync(folder)
  const path = join(folder, 'app.db')
  const application = makeDatabase(path, { rows: 200 })
  t.teardown(() => { application.close() })
  return { ...hostOn(t, folder, remote, options), application }
}

/** The same without a database: a blank machine, or one that is started again. */
export function hostOn (t: Test, folder: string, remote: SnapshotStorage, options: SnapshotOptions = {}): Omit<Deployment, 'application'> {
  const [path, snapshotDir] = [join(folder, 'app.db'), join(folder, 'backups')]
  const writer = writerFor(t, path, { snapshotDir, storage: [new LocalStorage(snapshotDir), remote], ...options })
  return { folder, path, snapshotDir, remote, writer }
}

/** Closes it and takes away its catalog. */
export async function loseCatalog ({ writer, snapshotDir }: Pick<Deployment, 'writer' | 'snapshotDir'>): Promise<void> {
  await writer.close()
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(snapshotDir, `catalog.db${suffix}`), { force: true })
}

export async function allOf (writer: SnapshotWriter): Promise<Snapshot[]> {
  return (await writer.listSnapshots({ limit: 1000, order: 'asc' })).snapshots
}

export const namesOf = (snapshots: Snapshot[]): string[] => snapshots.map(({ name }) => name)

export async function keysIn (storage: SnapshotStorage, part = ''): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of storage.list('app/')) keys.push(key)
  return keys.filter(key => key.includes(part))
}

/** The first line of an object. */
export async function jsonIn (storage: SnapshotStorage, key: string): Promise<Record<string, unknown>> {
  return JSON.parse(String(await readAll(await storage.get(key))).split('\n')[0] as string)
}
