import type { S3Settings } from './s3-options.ts'
import { checkKey } from './storage-key.ts'

/** Where an object is, in the words of S3. */
export interface S3Target {
  Bucket: string
  Key: string
}

/** What stands before every key. */
export function prefixOf ({ prefix }: Pick<S3Settings, 'prefix'>): string {
  return prefix === '' ? '' : `${prefix}/`
}

/** Where the objects are: the server, AWS unless an endpoint is given, bucket and prefix. */
export function placeOf ({ client, endpoint, bucket, prefix }: Pick<S3Settings, 'client' | 'endpoint' | 'bucket' | 'prefix'>): string | undefined {
  const server = endpoint === undefined ? 's3:/' : new URL(endpoint).origin
  return client === undefined ? [server, bucket, prefix].join('/') : undefined
}

/** @throws FST_SNAPSHOT_STORAGE_KEY */
export function targetOf (settings: Pick<S3Settings, 'bucket' | 'prefix'>, key: string): S3Target {
  return { Bucket: settings.bucket, Key: prefixOf(settings) + checkKey(key) }
}
