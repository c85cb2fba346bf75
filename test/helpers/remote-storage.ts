import { Readable } from 'node:stream'
import { LocalStorage, type GetOptions, type PutOptions, type SnapshotStorage, type StoredObject } from '../../src/index.ts'

/** A storage whose objects are no files of this machine as far as anyone can tell; it counts the bytes of packs that it gives out. */
export class RemoteStorage implements SnapshotStorage {
  readonly name = 'remote'
  /** Bytes of packs given out. */
  given = 0
  readonly #inner: LocalStorage

  constructor (root: string) {
    this.#inner = new LocalStorage(root, this.name)
  }

  async put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ bytes: number }> {
    return await this.#inner.put(key, body, options)
  }

  async get (key: string, options?: GetOptions): Promise<Readable> {
    const stream = await this.#inner.get(key, options)
    return key.includes('/packs/') ? Readable.from(this.#count(stream)) : stream
  }

  async head (key: string): Promise<StoredObject | null> { return await this.#inner.head(key) }
  list (prefix: string): AsyncIterable<StoredObject> { return this.#inner.list(prefix) }
  async delete (key: string): Promise<void> { await this.#inner.delete(key) }
  async removePartialWrites (prefix: string): Promise<void> { await this.#inner.removePartialWrites(prefix) }

  async * #count (stream: Readable): AsyncGenerator<Buffer> {
    for await (const chunk of stream) {
      this.given += (chunk as Buffer).length
      yield chunk as Buffer
    }
  }
}
