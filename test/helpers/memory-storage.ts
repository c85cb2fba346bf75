import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { errors, type PutOptions, type SnapshotStorage, type StoredObject } from '../../src/index.ts'

/** A storage in memory, for tests of thousands of operations that are not about storing. */
export class MemoryStorage implements SnapshotStorage {
  readonly name = 'memory'
  readonly objects = new Map<string, Buffer>()

  async put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, _options?: PutOptions): Promise<{ bytes: number }> {
    const bytes = body instanceof Uint8Array ? Buffer.from(body) : await buffer(Readable.from(body))
    this.objects.set(key, bytes)
    return { bytes: bytes.length }
  }

  async get (key: string): Promise<Readable> {
    const bytes = this.objects.get(key)
    if (bytes === undefined) throw new errors.StorageMissingError(this.name, key)
    return Readable.from([bytes])
  }

  async head (key: string): Promise<StoredObject | null> {
    const bytes = this.objects.get(key)
    return bytes === undefined ? null : { key, bytes: bytes.length, modifiedAt: new Date() }
  }

  async * list (prefix: string): AsyncIterable<StoredObject> {
    for (const key of [...this.objects.keys()].sort()) {
      const found = key.startsWith(prefix) ? await this.head(key) : null
      if (found !== null) yield found
    }
  }

  async delete (key: string): Promise<void> {
    this.objects.delete(key)
  }

  async removePartialWrites (): Promise<void> {}
}
