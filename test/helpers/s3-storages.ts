import { randomUUID } from 'node:crypto'
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import type { Test } from 'tap'
import { S3Storage, type S3StorageOptions } from '../../src/index.ts'
import { FaultProxy } from './fault-proxy.ts'

/** Options with which nothing takes long. */
export const impatient = { maxAttempts: 2, connectionTimeout: 1000, stallTimeout: 700, requestTimeout: 3000 }

export interface FaultyStorage {
  proxy: FaultProxy
  /** Reaches the server through the proxy. */
  storage: S3Storage
  /** The same place, directly. */
  direct: S3Storage
  /** Keys, with their prefix, of uploads in parts that are neither completed nor aborted. */
  openUploads: () => Promise<string[]>
}

/** A storage behind a proxy that can let its requests go wrong, in a place of its own on a server. */
export async function makeFaultyStorage (t: Test, server: S3StorageOptions & { endpoint: string }, options: Partial<S3StorageOptions> = {}): Promise<FaultyStorage> {
  const proxy = await FaultProxy.start(t, server.endpoint)
  const place = { prefix: `test/${randomUUID()}`, ...server }
  const client = new S3Client({ region: 'us-east-1', forcePathStyle: true, endpoint: server.endpoint, ...(server.credentials && { credentials: server.credentials }) })
  return {
    proxy,
    storage: new S3Storage({ ...place, ...impatient, ...options, endpoint: proxy.endpoint }),
    direct: new S3Storage(place),
    openUploads: async () => {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket, Prefix: place.prefix }))
      return Uploads.map(({ Key }) => String(Key).slice(place.prefix.length + 1))
    }
  }
}
