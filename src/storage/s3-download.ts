import { addAbortSignal, Readable } from 'node:stream'
import { StorageError, StorageUnavailableError } from '../errors.ts'
import { inOrder } from './in-order.ts'
import { pauseAfter } from './pause.ts'
import type { S3Connection } from './s3-connection.ts'
import { explainS3Error, statusOf } from './s3-errors.ts'
import type { S3Settings } from './s3-options.ts'
import type { GetOptions } from './snapshot-storage.ts'

const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(\d+)$/

interface Part {
  /** Its bytes as they came: a copy in one piece would be as much memory again. */
  chunks: Buffer[]
  length: number
  /** Size of the whole object. */
  total: number
  etag: string | undefined
}

/**
 * Reads an object, or a range of it, in parts: several are fetched at once, each is held in memory until its turn. So a slow
 * reader keeps no connection waiting, and a part that breaks off is fetched again.
 * @throws what the SDK throws where the object is missing; other errors are coded
 */
export class S3Download {
  readonly #connection: S3Connection
  readonly #settings: S3Settings
  readonly #target: { Bucket: string, Key: string }
  /** Aborted when nobody reads on. */
  readonly #ended = new AbortController()

  constructor (connection: S3Connection, settings: S3Settings, target: { Bucket: string, Key: string }) {
    this.#connection = connection
    this.#settings = settings
    this.#target = target
  }

  async open ({ range, signal }: GetOptions): Promise<Readable> {
    const { offset, length } = range ?? { offset: 0, length: Number.MAX_SAFE_INTEGER }
    const first = await this.#first(offset, length, signal)
    const stream = new PartStream(first === null || length === 0 ? nothing() : this.#inOrder(first, offset, length), this.#ended)
    return signal === undefined ? stream : addAbortSignal(signal, stream)
  }

  /** The first part, or null where the object has no bytes there. Of an empty range a byte is asked for, to see that the object exists. */
  async #first (offset: number, length: number, signal: AbortSignal | undefined): Promise<Part | null> {
    try {
      return await this.#fetch(offset, Math.max(1, Math.min(length, this.#settings.partSize)), signal)
    } catch (error) {
      if (statusOf(error) === 416) return null
      throw error
    }
  }

  async * #inOrder (first: Part, offset: number, length: number): AsyncGenerator<Buffer> {
    const end = Math.min(first.total, offset + length)
    yield * taken(first)
    for await (const part of inOrder(this.#others(first, offset + first.length, end), this.#settings.queueSize)) yield * taken(part)
  }

  * #others (first: Part, offset: number, end: number): Generator<() => Promise<Part>> {
    const { partSize, name, bucket } = this.#settings
    for (let at = offset; at < end; at += partSize) {
      yield async () => {
        const part = await this.#fetch(at, Math.min(partSize, end - at), this.#ended.signal).catch((error: unknown) => { throw explainS3Error(error, this.#settings) })
        if (part.etag !== first.etag) throw new StorageError(name, `${this.#target.Key} in bucket "${bucket}" was replaced while it was read; read it again`)
        return part
      }
    }
  }

  /** Fetches a part, again where its bytes break off. The SDK itself tries again only until the first byte. */
  async #fetch (start: number, length: number, signal: AbortSignal | undefined, attempt = 1): Promise<Part> {
    const { s3, client } = this.#connection
    const { name, bucket, maxAttempts } = this.#settings
    const response = await client.send(new s3.GetObjectCommand({ ...this.#target, Range: `bytes=${start}-${start + length - 1}` }), { abortSignal: signal })
    const [, first, last, total] = (CONTENT_RANGE.exec(response.ContentRange ?? '') ?? []).map(Number)
    if (first !== start || last === undefined || total === undefined || last - first >= length) {
      (response.Body as Readable).destroy()
      throw new StorageError(name, `bucket "${bucket}" gave other bytes of ${this.#target.Key} than were asked for (${response.ContentRange ?? 'no Content-Range'}); the server, or a proxy before it, must support ranges`)
    }
    try {
      const length = last - first + 1
      return { chunks: await this.#receive(response.Body as Readable, length), length, total, etag: response.ETag }
    } catch (error) {
      signal?.throwIfAborted()
      if (attempt >= maxAttempts) throw new StorageUnavailableError(name, `reading ${this.#target.Key} in bucket "${bucket}" broke off ${attempt} times (${(error as Error).message}); check the network and any proxy on the way`, { cause: error })
      await pauseAfter(attempt, signal)
      return await this.#fetch(start, length, signal, attempt + 1)
    }
  }

  async #receive (body: Readable, length: number): Promise<Buffer[]> {
    const chunks: Buffer[] = []
    let received = 0
    for await (const chunk of addAbortSignal(AbortSignal.timeout(this.#settings.requestTimeout), body)) {
      chunks.push(chunk as Buffer)
      received += (chunk as Buffer).length
      if (received > length) throw new Error(`more than ${length} bytes came`)
    }
    if (received < length) throw new Error(`${received} of ${length} bytes came`)
    return chunks
  }
}

/** A part's chunks, each of which it no longer holds. */
function * taken ({ chunks }: Part): Generator<Buffer> {
  for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) yield chunk
}

async function * nothing (): AsyncGenerator<never> {}

/** Parts as a stream, which holds one of them at a time. */
class PartStream extends Readable {
  readonly #parts: AsyncGenerator<Buffer>
  readonly #ended: AbortController

  constructor (parts: AsyncGenerator<Buffer>, ended: AbortController) {
    super({ highWaterMark: 1 })
    this.#parts = parts
    this.#ended = ended
  }

  override _read (): void {
    this.#parts.next().then(({ done, value }) => { this.push(done === true ? null : value) }, (error: unknown) => { this.destroy(error as Error) })
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    this.#ended.abort()
    callback(error)
  }
}
