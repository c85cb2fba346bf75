import type Database from 'better-sqlite3'
import { join } from 'node:path'
import type { Test } from 'tap'
import { LocalStorage, type Snapshot, type SnapshotOptions, type SnapshotWriter } from '../../src/index.ts'
import { makeDatabase } from './databases.ts'
import { testFolder } from './folder.ts'
import { RemoteStorage } from './remote-storage.ts'
import { writerFor } from './round-trip.ts'
import { waitUntil } from './wait-until.ts'

export interface TwoStorages {
  path: string
  /** Where the local storage keeps its objects. */
  backups: string
  local: LocalStorage
  remote: RemoteStorage
  application: Database.Database
  writer: SnapshotWriter
}

/** A database in use, and a writer that stores its snapshots in local files and in a remote storage. */
export function setUpTwo (t: Test, options: SnapshotOptions = {}): TwoStorages {
  const path = join(testFolder(t), 'app.db')
  const backups = join(t.testdirName, 'backups')
  const [local, remote] = [new LocalStorage(backups), new RemoteStorage(join(t.testdirName, 'remote'))]
  const application = makeDatabase(path, { rows: 1000 })
  t.teardown(() => { application.close() })
  return { path, backups, local, remote, application, writer: writerFor(t, path, { storage: [local, remote], ...options }) }
}

/** A snapshot `a` in one of the two storages, made before the other was known. Its writer is closed. */
export async function setUpOneOfTwo (t: Test, which: 'local' | 'remote'): Promise<Pick<TwoStorages, 'path' | 'local' | 'remote'>> {
  const { path, local, remote, writer: unused } = setUpTwo(t)
  await unused.close()
  const before = writerFor(t, path, { storage: which === 'local' ? local : remote })
  await before.createSnapshot('a')
  await before.listSnapshots()
  await before.close()
  return { path, local, remote }
}

/** The state of a snapshot in each storage. */
export async function statesOf (writer: SnapshotWriter, name: string): Promise<Record<string, Snapshot['replicas'][number]['state']>> {
  return Object.fromEntries((await writer.getSnapshot(name)).replicas.map(({ storage, state }) => [storage, state]))
}

export async function waitForStates (writer: SnapshotWriter, name: string, states: Record<string, string>): Promise<void> {
  await waitUntil(`${name} is ${JSON.stringify(states)}`, async () => JSON.stringify(await statesOf(writer, name)) === JSON.stringify(states))
}
