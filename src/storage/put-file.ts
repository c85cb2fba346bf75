import { open } from 'node:fs/promises'
import type { PutOptions, SnapshotStorage } from './snapshot-storage.ts'

const CHUNK_BYTES = 256 * 1024

/** Stores a local file, which may be gone afterwards. */
export async function putFile (storage: SnapshotStorage, key: string, file: string, options: PutOptions): Promise<{ bytes: number }> {
  if (storage.putFile !== undefined) return await storage.putFile(key, file, options)
  return await storage.put(key, chunksOf(file), options)
}

/** A file's bytes. It is opened when they are asked for, so a storage that never does leaves nothing open. */
export async function * chunksOf (file: string): AsyncGenerator<Uint8Array> {
  const handle = await open(file)
  yield * handle.createReadStream({ highWaterMark: CHUNK_BYTES })
}
