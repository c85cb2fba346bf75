import { Readable } from 'node:stream'
import type { PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3'
import { abortable } from './abortable-body.ts'
import type { S3Connection } from './s3-connection.ts'
import type { S3Settings } from './s3-options.ts'

/** What was sent of an object. */
export interface Sent {
  bytes: number
  /** In several parts, which the server has put together. */
  isMultipart: boolean
}

const DAY_MS = 24 * 60 * 60 * 1000

/** What every object of a storage is stored with. */
export function objectParameters ({ serverSideEncryption, kmsKeyId, storageClass, objectLock, tags }: S3Settings, now: number): Partial<PutObjectCommandInput> {
  return {
    ...(serverSideEncryption && { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId && { SSEKMSKeyId: kmsKeyId }),
    ...(storageClass && { StorageClass: storageClass as NonNullable<PutObjectCommandInput['StorageClass']> }),
    ...(objectLock && { ObjectLockMode: objectLock.mode, ObjectLockRetainUntilDate: new Date(now + objectLock.days * DAY_MS) }),
    ...(tags && { Tagging: new URLSearchParams(tags).toString() })
  }
}

/**
 * Sends a body: in one request where it fits in a part, else in parts, several at once. When it fails or is aborted, it ends
 * at once and the parts are taken away. Each request carries the SHA-256 of its bytes, which the server checks.
 * @throws BodyFailure where the body failed, the SDK's error where a request did
 */
export async function upload ({ client, s3, Upload }: S3Connection, params: PutObjectCommandInput, body: Uint8Array | AsyncIterable<Uint8Array>, { partSize, queueSize, signal }: { partSize: number, queueSize: number, signal: AbortSignal | undefined }): Promise<Sent> {
  const sent: Sent = { bytes: 0, isMultipart: false }
  const failed = new AbortController()
  const ending = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal])

  // Upload itself passes no signal on, and goes on with the other parts where one has failed.
  const send = async (command: object): Promise<object> => {
    // What could not be taken away is left to removePartialWrites: the failure that led here is the one to tell of.
    if (command instanceof s3.AbortMultipartUploadCommand) return await client.send(command).catch(() => ({}))
    sent.isMultipart ||= command instanceof s3.CreateMultipartUploadCommand
    const carriesBytes = command instanceof s3.UploadPartCommand || command instanceof s3.PutObjectCommand
    try {
      return await client.send(command as InstanceType<typeof s3.PutObjectCommand>, carriesBytes ? { abortSignal: ending } : {})
    } catch (error) {
      failed.abort(error)
      throw error
    }
  }
  const counted = async function * (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of abortable(chunks, ending)) {
      sent.bytes += chunk.length
      yield chunk
    }
  }
  const uploading = new Upload({
    client: Object.create(client, { send: { value: send } }) as S3Client,
    params: { ...params, Body: body instanceof Uint8Array ? body : Readable.from(counted(body)) },
    partSize,
    queueSize
  })
  try {
    await uploading.done()
  } catch (error) {
    throw failed.signal.aborted ? failed.signal.reason : error
  }
  return body instanceof Uint8Array ? { ...sent, bytes: body.length } : sent
}
