import type Database from 'better-sqlite3'
import { join } from 'node:path'
import type { Test } from 'tap'
import { LocalStorage, type Snapshot, type SnapshotOptions, type SnapshotWriter } from '../../src/index.ts'
import { makeDatabase } from './databases.ts'
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
  const path = join(t.testdir(), 'app.db')
  const backups = join(t.testdirName, 'backups')
  const [local, remote] = [new LocalStorage(backups), new RemoteStorage(join(t.testdirName, 'remote'))]
  const application = makeDatabase(path, { rows: 1000 })
  t.teardown(() => { application.close() })
  return { path, backups, local, remote, application, writer: writerFor(t, path, { storage: [local, remote], ...options }) }
}

/** The state of a snapshot in each storage. */
export async function statesOf (writer: SnapshotWriter, name: string): Promise<Record<string, Snapshot['replicas'][number]['state']>> {
  return Object.fromEntries((await writer.getSnapshot(name)).replicas.map(({ storage, state }) => [storage, state]))
}

export async function waitForStates (writer: SnapshotWriter, name: string, states: Record<string, string>): Promise<void> {
  await waitUntil(`${name} is ${JSON.stringify(states)}`, async () => JSON.stringify(await statesOf(writer, name)) === JSON.stringify(states))
}
