import { randomUUID } from 'node:crypto'
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import { StorageError, StorageExistsError } from '../errors.ts'
import { BodyFailure } from './abortable-body.ts'
import type { S3Connection } from './s3-connection.ts'
import { explainS3Error, isRefusal, s3CodeOf } from './s3-errors.ts'
import type { S3Settings } from './s3-options.ts'
import { targetOf, type S3Target } from './s3-target.ts'
import { CONFLICT, objectParameters, upload, type Sent } from './s3-upload.ts'
import type { PutOptions } from './snapshot-storage.ts'

/** Metadata by which a write knows its object again. */
const WRITE_ID = 'write-id'
const TAKEN = 'PreconditionFailed'
/** Answers that a write also gets when it is repeated after its first answer was lost. */
const MAYBE_STORED = [TAKEN, 'NoSuchUpload', CONFLICT]

/**
 * Stores an object, and makes sure that it was stored.
 * @throws coded errors, the body's own error, the signal's reason
 */
export async function putObject (connection: S3Connection, settings: S3Settings, key: string, body: Uint8Array | AsyncIterable<Uint8Array>, { partSize, ifAbsent = false, signal }: PutOptions & { partSize: number }): Promise<{ bytes: number }> {
  const { name, queueSize, maxAttempts } = settings
  const target = targetOf(settings, key)
  const writeId = randomUUID()
  const params = { ...target, ...objectParameters(settings, Date.now()), ...(ifAbsent && { IfNoneMatch: '*' }), Metadata: { [WRITE_ID]: writeId } }
  try {
    const sent = await upload(connection, params, body, { partSize, queueSize, maxAttempts, signal })
    await requireStored(connection, settings, target, sent, writeId)
    return { bytes: sent.bytes }
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    if (error instanceof BodyFailure) throw error.cause
    const stored = MAYBE_STORED.includes(s3CodeOf(error)) ? await found(connection, settings, target) : undefined
    if (stored?.Metadata?.[WRITE_ID] === writeId) return { bytes: Number(stored.ContentLength) }
    const isTaken = s3CodeOf(error) === TAKEN || (s3CodeOf(error) === CONFLICT && stored !== undefined)
    throw ifAbsent && isTaken ? new StorageExistsError(name, key, { cause: error }) : explainS3Error(error, settings)
  }
}

/** That the answer was one of S3, and that it has put the parts together as they were sent. Another writer may have replaced them since. */
async function requireStored (connection: S3Connection, { name, bucket }: S3Settings, target: S3Target, { bytes, isMultipart, etag }: Sent, writeId: string): Promise<void> {
  if (!isMultipart) {
    if (etag === undefined) throw new StorageError(name, `what answered for bucket "${bucket}" is no S3 server: it said that ${target.Key} is stored, but gave no ETag; check the endpoint (S3_ENDPOINT) and any proxy on the way`)
    return
  }
  const { ContentLength, Metadata } = await headObject(connection, target)
  if (Metadata?.[WRITE_ID] === writeId && ContentLength !== bytes) {
    throw new StorageError(name, `bucket "${bucket}" holds ${ContentLength} bytes of ${target.Key}, of which ${bytes} were sent`)
  }
}

export async function headObject ({ client, s3 }: S3Connection, target: S3Target): Promise<HeadObjectCommandOutput> {
  return await client.send(new s3.HeadObjectCommand(target))
}

/** The object, or undefined where the server does not show one. */
async function found (connection: S3Connection, settings: S3Settings, target: S3Target): Promise<HeadObjectCommandOutput | undefined> {
  return await headObject(connection, target).catch((error: unknown) => {
    if (!isRefusal(error)) throw explainS3Error(error, settings)
    return undefined
  })
}
