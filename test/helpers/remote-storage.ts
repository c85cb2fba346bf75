import { Readable } from 'node:stream'
import { errors, LocalStorage, type GetOptions, type PutOptions, type SnapshotStorage, type StoredObject } from '../../src/index.ts'

/**
 * A storage whose objects are no files of this machine as far as anyone can tell. It counts the bytes of packs that it gives
 * out and can be made to fail.
 */
export class RemoteStorage implements SnapshotStorage {
  readonly name: string
  readonly root: string
  /** Bytes of packs given out. */
  given = 0
  /** Keys that were put. */
  puts: string[] = []
  /** While it is down, everything asked of it fails. */
  isDown = false
  /** Puts of keys like this fail. */
  refused = /no key/
  /** Waited for before each put. */
  beforePut: (key: string) => Promise<void> | void = () => {}
  /** Waited for before each get. */
  beforeGet: (key: string) => Promise<void> | void = () => {}
  readonly #inner: LocalStorage

  constructor (root: string, name = 'remote') {
    this.root = root
    this.name = name
    this.#inner = new LocalStorage(root, name)
  }

  async put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ bytes: number }> {
    this.#check(this.refused.test(key))
    await this.beforePut(key)
    const stored = await this.#inner.put(key, body, options)
    this.puts.push(key)
    return stored
  }

  async get (key: string, options?: GetOptions): Promise<Readable> {
    this.#check()
    await this.beforeGet(key)
    const stream = await this.#inner.get(key, options)
    return key.includes('/packs/') ? Readable.from(this.#count(stream)) : stream
  }

  async head (key: string): Promise<StoredObject | null> {
    this.#check()
    return await this.#inner.head(key)
  }

  async * list (prefix: string): AsyncIterable<StoredObject> {
    this.#check()
    yield * this.#inner.list(prefix)
  }

  async delete (key: string): Promise<void> {
    this.#check()
    await this.#inner.delete(key)
  }

  async removePartialWrites (prefix: string): Promise<void> {
    this.#check()
    await this.#inner.removePartialWrites(prefix)
  }

  #check (isRefused = false): void {
    if (this.isDown || isRefused) throw new errors.StorageUnavailableError(this.name, 'it is down')
  }

  async * #count (stream: Readable): AsyncGenerator<Buffer> {
    for await (const chunk of stream) {
      this.given += (chunk as Buffer).length
      yield chunk as Buffer
    }
  }
}
