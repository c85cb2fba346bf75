import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream'
import { deleteAll } from './delete-all.ts'
import type { GetOptions, PutOptions, SnapshotStorage, StoredObject } from './snapshot-storage.ts'
import { realClock, TokenBucket, type Clock } from './token-bucket.ts'

/** Bytes that pass at once, so that they pass evenly. */
const PIECE_BYTES = 64 * 1024

/**
 * Another storage, to and from which bytes go no faster than at a given rate, both directions together. It takes and shows no
 * files: their bytes would pass it by.
 */
export class ThrottledStorage implements SnapshotStorage {
  readonly #storage: SnapshotStorage
  readonly #bucket: TokenBucket

  /** @param clock for tests */
  constructor (storage: SnapshotStorage, bytesPerSecond: number, clock: Clock = realClock) {
    this.#storage = storage
    this.#bucket = new TokenBucket(bytesPerSecond, clock)
  }

  get name (): string {
    return this.#storage.name
  }

  async put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<{ bytes: number }> {
    const ended = new AbortController()
    const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal])
    try {
      if (!(body instanceof Uint8Array)) return await this.#storage.put(key, slowly(body, this.#bucket, signal), options)
      await this.#bucket.take(body.length, signal)
      return await this.#storage.put(key, body, options)
    } finally {
      ended.abort() // a storage that fails leaves nothing asleep
    }
  }

  async get (key: string, options?: GetOptions): Promise<Readable> {
    const stream = await this.#storage.get(key, options)
    return pipeline(stream, new Throttle(this.#bucket), () => {}) // an error of one ends the other, too
  }

  async head (key: string): Promise<StoredObject | null> {
    return await this.#storage.head(key)
  }

  list (prefix: string): AsyncIterable<StoredObject> {
    return this.#storage.list(prefix)
  }

  async delete (key: string): Promise<void> {
    await this.#storage.delete(key)
  }

  async deleteAll (keys: readonly string[]): Promise<void> {
    await deleteAll(this.#storage, keys)
  }

  async removePartialWrites (prefix: string): Promise<void> {
    await this.#storage.removePartialWrites(prefix)
  }
}

async function * slowly (chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, bucket: TokenBucket, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const piece = chunk.subarray(at, at + PIECE_BYTES)
      await bucket.take(piece.length, signal)
      yield piece
    }
  }
}

class Throttle extends Transform {
  readonly #bucket: TokenBucket
  readonly #ended = new AbortController()

  constructor (bucket: TokenBucket) {
    super()
    this.#bucket = bucket
  }

  override _transform (chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#pass(chunk).then(() => { callback() }, callback)
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    this.#ended.abort()
    callback(error)
  }

  async #pass (chunk: Buffer): Promise<void> {
    for await (const piece of slowly([chunk], this.#bucket, this.#ended.signal)) this.push(piece)
  }
}
