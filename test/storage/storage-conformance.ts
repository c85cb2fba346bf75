import type { Test } from 'tap'
import type { SnapshotStorage } from '../../src/storage/snapshot-storage.ts'
import { puttingFiles, readingFiles } from './conformance/files.ts'
import { failingWrites } from './conformance/failing-writes.ts'
import type { Declare } from './conformance/helpers.ts'
import { keys } from './conformance/keys.ts'
import { deleting, listing } from './conformance/listing-and-deleting.ts'
import { reading } from './conformance/reading.ts'
import { writing } from './conformance/writing.ts'

/**
 * Every promise of the contract in src/storage/snapshot-storage.ts, for any implementation.
 * @param make gives a new, empty storage for each test
 */
export function storageConformance (t: Test, name: string, make: (t: Test) => Promise<SnapshotStorage> | SnapshotStorage): void {
  const promise: Declare = (what, check) => {
    void t.test(`${name}: ${what}`, async t => { await check(t, await make(t)) })
  }
  for (const declare of [writing, puttingFiles, failingWrites, reading, readingFiles, listing, deleting, keys]) declare(promise)
}
