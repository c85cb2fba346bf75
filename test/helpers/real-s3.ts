import { randomUUID } from 'node:crypto'
import { BucketAlreadyOwnedByYou, CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3StorageOptions } from '../../src/index.ts'
import { unless } from './requirements.ts'

const { S3_ENDPOINT: endpoint, S3_TEST_BUCKET: bucket = 'snapshots-test', AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env

/** Why there is no real S3 server, or false. test/s3-server.sh starts one. */
export const noRealS3: string | false = unless(Boolean(endpoint && accessKeyId && secretAccessKey),
  'no S3 server is given by S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (test/s3-server.sh starts one)')

let making: Promise<void> | undefined

/** Options for a place of its own on that server. */
export async function realS3 (): Promise<S3StorageOptions & { endpoint: string }> {
  await (making ??= makeBucket())
  return { bucket, endpoint: String(endpoint), prefix: `test/${randomUUID()}` }
}

async function makeBucket (): Promise<void> {
  const client = new S3Client({ endpoint: String(endpoint), region: 'us-east-1', forcePathStyle: true })
  await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error: unknown) => {
    if (!(error instanceof BucketAlreadyOwnedByYou)) throw error
  })
}
