import { createHash } from 'node:crypto'
import { StorageUnavailableError } from '../errors.ts'
import type { S3Connection } from './s3-connection.ts'
import { explainS3Error } from './s3-errors.ts'
import type { S3Settings } from './s3-options.ts'

/** S3 takes no more in one request. */
export const MOST_KEYS = 1000

/**
 * Deletes objects in one request.
 * @returns the keys the server did not say it has deleted: all of them where it refuses such requests
 * @throws FST_SNAPSHOT_STORAGE_UNAVAILABLE, coded, where asking once more is of no use now
 */
export async function deleteBatch ({ client, s3 }: S3Connection, settings: S3Settings, keys: readonly string[]): Promise<string[]> {
  const command = new s3.DeleteObjectsCommand({ Bucket: settings.bucket, Delete: { Objects: keys.map(Key => ({ Key })) } })
  // Some servers insist on it, as S3 itself did; the SDK sends a CRC32 only.
  command.middlewareStack.add(next => async args => {
    const request = args.request as { headers: Record<string, string>, body: string }
    request.headers['content-md5'] = createHash('md5').update(request.body).digest('base64')
    return await next(args)
  }, { step: 'build', priority: 'low' })
  try {
    const { Deleted = [] } = await client.send(command)
    const deleted = new Set(Deleted.map(({ Key }) => Key))
    return keys.filter(key => !deleted.has(key))
  } catch (error) {
    const explained = explainS3Error(error, settings)
    if (explained instanceof StorageUnavailableError) throw explained
    return [...keys]
  }
}
