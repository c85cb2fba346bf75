import type { S3Client } from '@aws-sdk/client-s3'
import type { S3Settings } from './s3-options.ts'
import { loadSdk, type S3Sdk } from './s3-sdk.ts'
import { limitAnswers } from './s3-time-limits.ts'

/** A client, and the SDK whose commands it is given. */
export interface S3Connection extends S3Sdk {
  client: S3Client
}

/**
 * Makes the client; nothing is sent yet.
 * @throws FST_SNAPSHOT_PACKAGE_MISSING
 */
export async function connect (settings: S3Settings): Promise<S3Connection> {
  const sdk = await loadSdk()
  return { ...sdk, client: settings.client as S3Client | undefined ?? makeClient(sdk, settings) }
}

function makeClient ({ s3 }: S3Sdk, { region, endpoint, forcePathStyle, credentials, maxAttempts, ...settings }: S3Settings): S3Client {
  // Of more sockets than 50 the SDK lets requests wait, for which their time goes by.
  const agent = { keepAlive: true, maxSockets: Infinity }
  const { connectionTimeout, stallTimeout, requestTimeout } = settings
  const client = new s3.S3Client({
    ...(region && { region }),
    ...(endpoint && { endpoint }),
    ...(credentials && { credentials }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
    maxAttempts,
    retryMode: 'adaptive',
    requestHandler: { connectionTimeout, socketTimeout: stallTimeout, requestTimeout, throwOnRequestTimeout: true, httpAgent: agent, httpsAgent: agent }
  })
  limitAnswers(client, settings)
  return client
}
