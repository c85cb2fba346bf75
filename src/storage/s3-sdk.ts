import type * as ClientS3 from '@aws-sdk/client-s3'
import type * as LibStorage from '@aws-sdk/lib-storage'
import { PackageMissingError } from '../errors.ts'

/** What is used of the AWS SDK. */
export interface S3Sdk {
  s3: typeof ClientS3
  Upload: typeof LibStorage.Upload
}

/**
 * Loads the AWS SDK, which only those who use S3 install.
 * @throws FST_SNAPSHOT_PACKAGE_MISSING
 */
export async function loadSdk (): Promise<S3Sdk> {
  try {
    const [s3, { Upload }] = await Promise.all([import('@aws-sdk/client-s3'), import('@aws-sdk/lib-storage')])
    return { s3, Upload }
  } catch (error) {
    throw new PackageMissingError('To keep snapshots in S3', '@aws-sdk/client-s3 @aws-sdk/lib-storage', { cause: error })
  }
}
