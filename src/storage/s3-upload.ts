import { Readable } from 'node:stream'
import type { PutObjectCommand, PutObjectCommandInput, S3Client, UploadPartCommandInput } from '@aws-sdk/client-s3'
import { abortable } from './abortable-body.ts'
import { pauseAfter } from './pause.ts'
import type { S3Connection } from './s3-connection.ts'
import { s3CodeOf } from './s3-errors.ts'
import type { S3Settings } from './s3-options.ts'
import { S3PartDigests } from './s3-part-digests.ts'

/** What was sent of an object. */
export interface Sent {
  bytes: number
  /** In several parts, which the server has put together. */
  isMultipart: boolean
  etag: string | undefined
}

/** Answer to a conditional write while another write or deletion of the object is under way. */
export const CONFLICT = 'ConditionalRequestConflict'
const DAY_MS = 24 * 60 * 60 * 1000

/** What every object of a storage is stored with. */
export function objectParameters ({ serverSideEncryption, kmsKeyId, storageClass, objectLock, tags }: S3Settings, now: number): Partial<PutObjectCommandInput> {
  return {
    ...(serverSideEncryption && { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId && { SSEKMSKeyId: kmsKeyId }),
    ...(storageClass && { StorageClass: storageClass as NonNullable<PutObjectCommandInput['StorageClass']> }),
    // S3 locks nothing without a checksum, which the SDK can be told to leave out where it is not asked for.
    ...(objectLock && { ObjectLockMode: objectLock.mode, ObjectLockRetainUntilDate: new Date(now + objectLock.days * DAY_MS), ChecksumAlgorithm: 'CRC32' }),
    ...(tags && { Tagging: Object.entries(tags).map(tag => tag.map(encodeURIComponent).join('=')).join('&') })
  }
}

/** Tells the SDK the SHA-256 of the bytes of a request. */
function addDigest ({ middlewareStack }: PutObjectCommand, digest: string): void {
  middlewareStack.add(next => async args => {
    (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = digest
    return await next(args)
  }, { step: 'build' })
}

/**
 * Sends a body: in one request where it fits in a part, else in parts, several at once. When it fails or is aborted, it ends
 * at once and the parts are taken away. Each request carries the SHA-256 of its bytes, which the server checks.
 * @throws BodyFailure where the body failed, the SDK's error where a request did
 */
export async function upload ({ client, s3, Upload }: S3Connection, params: PutObjectCommandInput, body: Uint8Array | AsyncIterable<Uint8Array>, { partSize, queueSize, maxAttempts, signal }: { partSize: number, queueSize: number, maxAttempts: number, signal: AbortSignal | undefined }): Promise<Sent> {
  const sent: Sent = { bytes: 0, isMultipart: false, etag: undefined }
  const digests = new S3PartDigests(partSize)
  const failed = new AbortController()
  const ending = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal])

  const deliver = async (command: InstanceType<typeof s3.PutObjectCommand>, options: { abortSignal?: AbortSignal }, attempt = 1): Promise<object> => {
    try {
      return await client.send(command, options)
    } catch (error) {
      // S3 asks to try this again. An upload in parts it wants begun anew, but its body is gone.
      if (s3CodeOf(error) !== CONFLICT || !(command instanceof s3.PutObjectCommand) || attempt >= maxAttempts) throw error
      await pauseAfter(attempt, ending)
      return await deliver(command, options, attempt + 1)
    }
  }
  // Upload itself passes no signal on, and goes on with the other parts where one has failed.
  const send = async (command: object): Promise<object> => {
    // What could not be taken away is left to removePartialWrites: the failure that led here is the one to tell of.
    if (command instanceof s3.AbortMultipartUploadCommand) return await client.send(command).catch(() => ({}))
    sent.isMultipart ||= command instanceof s3.CreateMultipartUploadCommand
    const carriesBytes = command instanceof s3.UploadPartCommand || command instanceof s3.PutObjectCommand
    const digest = carriesBytes ? digests.of((command.input as UploadPartCommandInput).PartNumber ?? 1) : undefined
    if (digest !== undefined) addDigest(command as PutObjectCommand, digest)
    return await deliver(command as InstanceType<typeof s3.PutObjectCommand>, carriesBytes ? { abortSignal: ending } : {}).catch((error: unknown) => {
      failed.abort(error)
      throw error
    })
  }
  const counted = async function * (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of abortable(chunks, ending)) {
        sent.bytes += chunk.length
        digests.add(chunk)
        yield chunk
      }
      digests.end()
    } catch (error) {
      failed.abort(error)
      throw error
    }
  }
  const uploading = new Upload({
    client: Object.create(client, { send: { value: send } }) as S3Client,
    params: { ...params, Body: body instanceof Uint8Array ? body : Readable.from(counted(body)) },
    partSize,
    queueSize
  })
  try {
    sent.etag = (await uploading.done()).ETag
  } catch (error) {
    throw failed.signal.aborted ? failed.signal.reason : error
  }
  return body instanceof Uint8Array ? { ...sent, bytes: body.length } : sent
}
