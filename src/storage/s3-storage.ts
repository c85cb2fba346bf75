import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import { messageOf, StorageError, StorageExistsError, StorageMissingError } from '../errors.ts'
import { BodyFailure } from './abortable-body.ts'
import { deleteEach } from './delete-all.ts'
import { chunksOf } from './put-file.ts'
import { connect, type S3Connection } from './s3-connection.ts'
import { deleteBatch, MOST_KEYS } from './s3-delete-batch.ts'
import { S3Download } from './s3-download.ts'
import { explainS3Error, isRefusal, s3CodeOf, statusOf } from './s3-errors.ts'
import { s3Settings, type S3Settings, type S3StorageOptions } from './s3-options.ts'
import { objectParameters, upload, type Sent } from './s3-upload.ts'
import type { GetOptions, PutOptions, SnapshotStorage, StoredObject } from './snapshot-storage.ts'
import { checkKey, checkPrefix, isKey } from './storage-key.ts'

/** S3 takes no more parts of one object. */
const MOST_PARTS = 10_000
/** Metadata by which a write knows its object again. */
const WRITE_ID = 'write-id'
/** Answers to a conditional write whose condition does not hold. The second one: another write of the key is under way. */
const TAKEN = ['PreconditionFailed', 'ConditionalRequestConflict']
/** Answers that a write also gets when it is repeated after its first answer was lost. */
const MAYBE_STORED = ['PreconditionFailed', 'NoSuchUpload']

/**
 * Keeps snapshots in a bucket of S3 or of a server that speaks its protocol, as objects `<prefix>/<key>`. Needs the packages
 * @aws-sdk/client-s3 and @aws-sdk/lib-storage, which are loaded when they are first used.
 *
 * Requests are repeated with growing pauses and end in time. As with every network, a write whose last answer was lost may have
 * been stored though it is reported as failed. `ifAbsent` is as good as the server: one that ignores `If-None-Match` where the
 * parts of a large object are put together lets two writers that begin at the same time both succeed.
 */
export class S3Storage implements SnapshotStorage {
  readonly name: string
  readonly #settings: S3Settings
  #connection: Promise<S3Connection> | undefined

  /** @throws FST_SNAPSHOT_INVALID_OPTION */
  constructor (options: S3StorageOptions) {
    this.#settings = s3Settings(options)
    this.name = this.#settings.name
  }

  async put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<{ bytes: number }> {
    return await this.#put(key, body, this.#settings.partSize, options)
  }

  /** Reads the file as it is sent, and leaves it in its place. */
  async putFile (key: string, file: string, options: PutOptions = {}): Promise<{ bytes: number }> {
    const { size } = await stat(file).catch((error: unknown) => { throw new StorageError(this.name, messageOf(error), { cause: error }) })
    return await this.#put(key, chunksOf(file), Math.max(this.#settings.partSize, Math.ceil(size / MOST_PARTS)), options)
  }

  async get (key: string, options: GetOptions = {}): Promise<Readable> {
    const target = this.#target(key)
    try {
      return await new S3Download(await this.#connect(), this.#settings, target).open(options)
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      // Who may list only what is below the prefix is refused what is missing: the answer to a reader tells nothing of the rest.
      const isMissing = s3CodeOf(error) === 'NoSuchKey' || (statusOf(error) === 403 && await this.#listed(key).catch(() => undefined) === null)
      throw isMissing ? new StorageMissingError(this.name, key, { cause: error }) : this.#explain(error)
    }
  }

  async head (key: string): Promise<StoredObject | null> {
    const target = this.#target(key)
    try {
      const found = await this.#head(target)
      return { key, bytes: Number(found.ContentLength), modifiedAt: found.LastModified as Date }
    } catch (error) {
      if (!isRefusal(error)) throw this.#explain(error)
      // The answer to HEAD has no body to say why: a missing bucket is a 404 as well. A listing tells, or fails with the reason.
      return await this.#listed(key)
    }
  }

  async * list (prefix: string): AsyncGenerator<StoredObject, undefined> {
    const Prefix = this.#prefix + checkPrefix(prefix)
    for (let ContinuationToken: string | undefined, isMore = true; isMore;) {
      const page = await this.#explained(async ({ client, s3 }) => await client.send(new s3.ListObjectsV2Command({ Bucket: this.#settings.bucket, Prefix, ContinuationToken })))
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        const key = String(Key).slice(this.#prefix.length)
        // Others may have put their things there, such as the "folders" of a web console.
        if (isKey(key)) yield { key, bytes: Number(Size), modifiedAt: wholeSeconds(LastModified as Date) }
      }
      ContinuationToken = page.NextContinuationToken
      isMore = ContinuationToken !== undefined
    }
  }

  async delete (key: string): Promise<void> {
    await this.#delete(this.#target(key).Key)
  }

  /** Many in one request; those it does not delete, one by one. */
  async deleteAll (keys: readonly string[]): Promise<void> {
    const targets = [...new Set(keys)].map(key => this.#target(key).Key)
    const batches = Array.from({ length: Math.ceil(targets.length / MOST_KEYS) }, (_, index) => targets.slice(index * MOST_KEYS, (index + 1) * MOST_KEYS))
    await deleteEach(batches, async batch => {
      const left = await deleteBatch(await this.#connect(), this.#settings, batch)
      await deleteEach(left, async Key => { await this.#delete(Key) }, this.#settings.queueSize)
    })
  }

  /** Aborts the uploads in parts that nobody completed. */
  async removePartialWrites (prefix: string): Promise<void> {
    const Prefix = this.#prefix + checkPrefix(prefix)
    const Bucket = this.#settings.bucket
    await this.#explained(async ({ client, s3 }) => {
      for (let markers = {}, isMore = true; isMore;) {
        const page = await client.send(new s3.ListMultipartUploadsCommand({ Bucket, Prefix, ...markers }))
        for (const { Key, UploadId } of page.Uploads ?? []) {
          await client.send(new s3.AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(ignoreGone)
        }
        markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
        isMore = page.IsTruncated === true
      }
    })
  }

  async #put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, partSize: number, { ifAbsent = false, signal }: PutOptions): Promise<{ bytes: number }> {
    const target = this.#target(key)
    signal?.throwIfAborted()
    const isSmall = body instanceof Uint8Array && body.length <= partSize
    if (ifAbsent && !isSmall && await this.head(key) !== null) throw new StorageExistsError(this.name, key)
    const writeId = randomUUID()
    const params = { ...target, ...objectParameters(this.#settings, Date.now()), ...(ifAbsent && { IfNoneMatch: '*' }), Metadata: { [WRITE_ID]: writeId } }
    const connection = await this.#connect()
    try {
      const sent = await upload(connection, params, body, { partSize, queueSize: this.#settings.queueSize, signal })
      if (sent.isMultipart) await this.#requireWhole(target, sent, writeId)
      return { bytes: sent.bytes }
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason
      if (error instanceof BodyFailure) throw error.cause
      const stored = MAYBE_STORED.includes(s3CodeOf(error)) ? await this.#head(target).catch(() => null) : null
      if (stored?.Metadata?.[WRITE_ID] === writeId) return { bytes: Number(stored.ContentLength) }
      throw ifAbsent && TAKEN.includes(s3CodeOf(error)) ? new StorageExistsError(this.name, key, { cause: error }) : this.#explain(error)
    }
  }

  /** The object as a listing shows it, of which it is the first, or null. */
  async #listed (key: string): Promise<StoredObject | null> {
    const { value } = await this.list(key)[Symbol.asyncIterator]().next()
    return value?.key === key ? value : null
  }

  async #delete (Key: string): Promise<void> {
    await this.#explained(async ({ client, s3 }) => await client.send(new s3.DeleteObjectCommand({ Bucket: this.#settings.bucket, Key })))
  }

  /** That the server has put the parts together as they were sent. Another writer may have replaced them since. */
  async #requireWhole (target: { Key: string }, { bytes }: Sent, writeId: string): Promise<void> {
    const { ContentLength, Metadata } = await this.#head(target)
    if (Metadata?.[WRITE_ID] === writeId && ContentLength !== bytes) {
      throw new StorageError(this.name, `bucket "${this.#settings.bucket}" holds ${ContentLength} bytes of ${target.Key}, of which ${bytes} were sent`)
    }
  }

  async #head (target: { Key: string }): Promise<HeadObjectCommandOutput> {
    const { client, s3 } = await this.#connect()
    return await client.send(new s3.HeadObjectCommand({ Bucket: this.#settings.bucket, ...target }))
  }

  async #connect (): Promise<S3Connection> {
    return await (this.#connection ??= connect(this.#settings))
  }

  async #explained<T> (run: (connection: S3Connection) => Promise<T>): Promise<T> {
    try {
      return await run(await this.#connect())
    } catch (error) {
      throw this.#explain(error)
    }
  }

  #explain (error: unknown): Error {
    return explainS3Error(error, this.#settings)
  }

  get #prefix (): string {
    return this.#settings.prefix === '' ? '' : `${this.#settings.prefix}/`
  }

  #target (key: string): { Bucket: string, Key: string } {
    return { Bucket: this.#settings.bucket, Key: this.#prefix + checkKey(key) }
  }
}

/** As HEAD tells it, so that both say the same. */
function wholeSeconds (time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1000) * 1000)
}

/** Somebody else has completed or aborted it meanwhile. */
function ignoreGone (error: unknown): void {
  if (s3CodeOf(error) !== 'NoSuchUpload') throw error
}
