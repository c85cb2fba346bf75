import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { messageOf, StorageError, StorageExistsError, StorageMissingError } from '../errors.ts'
import { deleteEach } from './delete-all.ts'
import { chunksOf } from './put-file.ts'
import { connect, type S3Connection } from './s3-connection.ts'
import { deleteBatch, MOST_KEYS } from './s3-delete-batch.ts'
import { S3Download } from './s3-download.ts'
import { explainS3Error, isRefusal, s3CodeOf, statusOf } from './s3-errors.ts'
import { s3Settings, type S3Settings, type S3StorageOptions } from './s3-options.ts'
import { headObject, putObject } from './s3-put.ts'
import { placeOf, prefixOf, targetOf } from './s3-target.ts'
import type { GetOptions, PutOptions, SnapshotStorage, StoredObject } from './snapshot-storage.ts'
import { checkKey, checkPrefix, isKey } from './storage-key.ts'

/** S3 takes no more parts of one object. */
const MOST_PARTS = 10_000

/** The text of a page of the usual 1,000 keeps the host from answering for 20 ms. */
const PAGE_KEYS = 500

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

  /** Bucket and prefix of a server; unknown with a client of one's own, whose server is not asked. */
  get place (): string | undefined {
    return placeOf(this.#settings)
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
    const target = targetOf(this.#settings, key)
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
    const target = targetOf(this.#settings, key)
    try {
      const found = await headObject(await this.#connect(), target)
      return { key, bytes: Number(found.ContentLength), modifiedAt: found.LastModified as Date }
    } catch (error) {
      if (!isRefusal(error)) throw this.#explain(error)
      // The answer to HEAD has no body to say why: a missing bucket is a 404 as well. A listing tells, or fails with the reason.
      return await this.#listed(key)
    }
  }

  async * list (prefix: string): AsyncGenerator<StoredObject, undefined> {
    const Prefix = prefixOf(this.#settings) + checkPrefix(prefix)
    for (let ContinuationToken: string | undefined, isMore = true; isMore;) {
      const page = await this.#explained(async ({ client, s3 }) => await client.send(new s3.ListObjectsV2Command({ Bucket: this.#settings.bucket, Prefix, ContinuationToken, MaxKeys: PAGE_KEYS })))
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        const key = String(Key).slice(prefixOf(this.#settings).length)
        // Others may have put their things there, such as the "folders" of a web console.
        if (isKey(key)) yield { key, bytes: Number(Size), modifiedAt: wholeSeconds(LastModified as Date) }
      }
      ContinuationToken = page.NextContinuationToken
      isMore = this.#goesOn(page, ContinuationToken)
    }
  }

  async delete (key: string): Promise<void> {
    await this.#delete(targetOf(this.#settings, key).Key)
  }

  /** Many in one request; those it does not delete, one by one. */
  async deleteAll (keys: readonly string[]): Promise<void> {
    const targets = [...new Set(keys)].map(key => targetOf(this.#settings, key).Key)
    const batches = Array.from({ length: Math.ceil(targets.length / MOST_KEYS) }, (_, index) => targets.slice(index * MOST_KEYS, (index + 1) * MOST_KEYS))
    await deleteEach(batches, async batch => {
      const left = await deleteBatch(await this.#connect(), this.#settings, batch)
      await deleteEach(left, async Key => { await this.#delete(Key) }, this.#settings.queueSize)
    })
  }

  /** Aborts the uploads in parts that nobody completed. */
  async removePartialWrites (prefix: string): Promise<void> {
    const Prefix = prefixOf(this.#settings) + checkPrefix(prefix)
    const Bucket = this.#settings.bucket
    await this.#explained(async ({ client, s3 }) => {
      for (let markers = {}, isMore = true; isMore;) {
        const page = await client.send(new s3.ListMultipartUploadsCommand({ Bucket, Prefix, ...markers }))
        for (const { Key, UploadId } of page.Uploads ?? []) {
          await client.send(new s3.AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(ignore('NoSuchUpload'))
        }
        markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
        isMore = this.#goesOn(page, page.NextKeyMarker)
      }
    })
  }

  async #put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, partSize: number, { ifAbsent = false, signal }: PutOptions): Promise<{ bytes: number }> {
    checkKey(key)
    signal?.throwIfAborted()
    const isSmall = body instanceof Uint8Array && body.length <= partSize
    if (ifAbsent && !isSmall && await this.head(key) !== null) throw new StorageExistsError(this.name, key)
    return await putObject(await this.#connect(), this.#settings, key, body, { partSize, ifAbsent, ...(signal && { signal }) })
  }

  /** The object as a listing shows it, of which it is the first, or null. */
  async #listed (key: string): Promise<StoredObject | null> {
    const { value } = await this.list(key)[Symbol.asyncIterator]().next()
    return value?.key === key ? value : null
  }

  /** Whether there is more than this page. What is not all must not look like all: what it does not show might be deleted. */
  #goesOn ({ IsTruncated }: { IsTruncated?: boolean | undefined }, next: string | undefined): boolean {
    if (IsTruncated === false || (IsTruncated === true && next !== undefined)) return IsTruncated
    throw new StorageError(this.name, `bucket "${this.#settings.bucket}" gave a listing that does not say how it goes on; check the endpoint (S3_ENDPOINT) and any proxy on the way`)
  }

  async #delete (Key: string): Promise<void> {
    await this.#explained(async ({ client, s3 }) => await client.send(new s3.DeleteObjectCommand({ Bucket: this.#settings.bucket, Key })).catch(ignore('NoSuchKey')))
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
}

/** As HEAD tells it, so that both say the same. */
function wholeSeconds (time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1000) * 1000)
}

/** For what is gone already. */
function ignore (code: string): (error: unknown) => void {
  return error => { if (s3CodeOf(error) !== code) throw error }
}
