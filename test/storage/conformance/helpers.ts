import type { Test } from 'tap'
import type { GetOptions, SnapshotStorage } from '../../../src/storage/snapshot-storage.ts'
import { readAll } from '../../../src/storage/storage-key.ts'

/** Declares one promise of the contract and how it is checked on a new, empty storage. */
export type Declare = (what: string, check: (t: Test, storage: SnapshotStorage) => Promise<void>) => void

export const read = async (storage: SnapshotStorage, key: string, options?: GetOptions): Promise<Buffer> => await readAll(await storage.get(key, options))
export const text = async (storage: SnapshotStorage, key: string, options?: GetOptions): Promise<string> => (await read(storage, key, options)).toString()

export async function keysOf (storage: SnapshotStorage, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of storage.list(prefix)) keys.push(key)
  return keys
}

/** A body of several chunks; an error among them is thrown in its place. */
export async function * chunks (...parts: Array<string | Uint8Array | Error>): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield Buffer.from(part)
  }
}
