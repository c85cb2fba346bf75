import type * as Package from '../../src/index.ts'
import { SnapshotWriter } from '../helpers/built.ts'
import { BUSY_OPTIONS } from './busy-options.ts'

/* A host that creates, restores, rolls back and deletes in no order, until it is killed. */
const writer = new SnapshotWriter({ database: process.argv[2] as string, ...BUSY_OPTIONS })
const anyOf = <T>(list: T[]): T => list[Math.floor(Math.random() * list.length)] as T
const usable = async (): Promise<Package.Snapshot[]> => (await writer.listSnapshots({ limit: 1000 })).snapshots.filter(({ status }) => ['COMPLETED', 'SUCCESS'].includes(status))

const operations: Array<() => Promise<unknown>> = [
  async () => await writer.createSnapshot(),
  async () => await writer.createSnapshot(undefined, { full: true, labels: { kind: 'full' } }),
  async () => await writer.restoreFromSnapshot(anyOf(await usable()).name),
  async () => await writer.restoreFromSnapshot('latest'),
  async () => await writer.recovery.rollback(),
  async () => {
    const snapshots = await usable()
    if (snapshots.length > 3) await writer.deleteSnapshot(anyOf(snapshots).name)
  }
]
for (;;) {
  process.send?.('next')
  await anyOf(operations)().catch(() => {}) // of an engine that was killed, or as there is nothing to restore yet
}
