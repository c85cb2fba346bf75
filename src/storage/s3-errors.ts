import { codeOf, isSnapshotError, messageOf, StorageDeniedError, StorageError, StorageUnavailableError } from '../errors.ts'
import type { S3Settings } from './s3-options.ts'

/** What is read of an error of the SDK, of Node, or of the server. */
interface S3Failure {
  name?: string
  Code?: string
  /** The right one, where the wrong one was asked. */
  Region?: string
  $metadata?: { httpStatusCode?: number, attempts?: number }
  $response?: { headers?: Record<string, string> }
}

/** The S3 code of an error (`NoSuchBucket`), or Node's (`ECONNREFUSED`). */
export function s3CodeOf (error: unknown): string {
  const { Code, name } = (error ?? {}) as S3Failure
  return Code ?? codeOf(error) ?? name ?? ''
}

/** Whether the server has answered, and what was asked was the reason that it did not do it. */
export function isRefusal (error: unknown): boolean {
  return statusOf(error) >= 300 && statusOf(error) < 500
}

/** The status of the server's answer, 0 where there was none. */
export const statusOf = (error: unknown): number => (error as S3Failure | null)?.$metadata?.httpStatusCode ?? 0

type Kind = typeof StorageError | typeof StorageDeniedError | typeof StorageUnavailableError

interface Explanation {
  Kind: Kind
  codes: string[]
  /** Where no code says it, as in an answer without a body. */
  status?: (status: number) => boolean
  says: (where: string, error: unknown) => string
}

const explanations: Explanation[] = [
  {
    Kind: StorageError,
    codes: ['NoSuchBucket'],
    says: where => `there is no ${where}; check the bucket's name (S3_BUCKET) and the endpoint, or create it`
  },
  {
    Kind: StorageError,
    codes: ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'TemporaryRedirect', 'IllegalLocationConstraintException'],
    status: status => status === 301 || status === 307,
    says: (where, error) => `${where} is in another region${regionOf(error)}; set "region" (AWS_REGION) to that`
  },
  {
    Kind: StorageUnavailableError,
    codes: ['ConditionalRequestConflict', 'OperationAborted'],
    says: where => `another write or deletion of the same object in ${where} is under way; try again`
  },
  {
    Kind: StorageError,
    codes: ['InvalidObjectState'],
    says: where => `the object in ${where} is archived and cannot be read at once; restore it there, and use a storage class that can be read at once`
  },
  {
    Kind: StorageError,
    codes: ['QuotaExceeded', 'InsufficientCapacity', 'XMinioStorageFull'],
    says: (where, error) => `${where} takes no more (${s3CodeOf(error)}); make room there or raise its quota`
  },
  {
    Kind: StorageDeniedError,
    codes: ['RequestTimeTooSkewed', 'RequestExpired'],
    says: where => `the clock of this machine and that of ${where} differ too much; set the clock right, best by NTP`
  },
  {
    Kind: StorageDeniedError,
    codes: ['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'InvalidToken'],
    says: (where, error) => `the credentials for ${where} have expired or their token is not valid (${s3CodeOf(error)}); renew them`
  },
  {
    Kind: StorageDeniedError,
    codes: ['InvalidAccessKeyId', 'SignatureDoesNotMatch'],
    says: (where, error) => `the credentials for ${where} are wrong (${s3CodeOf(error)}); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or where else they come from`
  },
  {
    Kind: StorageDeniedError,
    codes: ['CredentialsProviderError'],
    says: where => `no credentials for ${where} were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give the machine a role, or set "credentials"`
  },
  {
    Kind: StorageUnavailableError,
    codes: ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
    says: (where, error) => `${where} cannot be reached (${s3CodeOf(error)}); check the endpoint (S3_ENDPOINT), the network and its name service`
  },
  {
    Kind: StorageUnavailableError,
    codes: ['ETIMEDOUT', 'TimeoutError', 'RequestTimeout'],
    says: where => `${where} did not answer in time, or stopped in the middle; check the network, or raise "stallTimeout" or "requestTimeout"`
  },
  {
    Kind: StorageUnavailableError,
    codes: ['ECONNRESET', 'EPIPE', 'IncompleteBody'],
    says: where => `the connection to ${where} broke off in the middle; check the network and any proxy on the way`
  },
  {
    Kind: StorageUnavailableError,
    codes: ['XAmzContentSHA256Mismatch', 'BadDigest'],
    says: where => `bytes were changed on the way to ${where}; check the network and any proxy on the way`
  },
  {
    Kind: StorageUnavailableError,
    codes: ['SlowDown', 'Throttling', 'TooManyRequests'],
    status: status => status === 429 || (status >= 500 && status !== 501),
    says: (where, error) => `${where} is overloaded or out of order (${s3CodeOf(error)}, status ${statusOf(error)}) after ${attemptsOf(error)} tries; try again later`
  },
  {
    Kind: StorageDeniedError,
    codes: ['AccessDenied'],
    status: status => status === 401 || status === 403,
    says: where => `access to ${where} is denied; check that the policy of these credentials and of the bucket allows the actions in docs/s3.md`
  }
]

/** The coded error behind one of the SDK. It names the bucket and says what to check; one of this package stays as it is. */
export function explainS3Error (error: unknown, { name, bucket, endpoint }: Pick<S3Settings, 'name' | 'bucket' | 'endpoint'>): Error {
  if (isSnapshotError(error)) return error
  const where = `bucket "${bucket}"${endpoint === undefined ? '' : ` at ${endpoint}`}`
  const code = s3CodeOf(error)
  const found = explanations.find(({ codes }) => codes.includes(code)) ?? explanations.find(({ status }) => status?.(statusOf(error)))
  if (found !== undefined) return new found.Kind(name, found.says(where, error), { cause: error })
  if (messageOf(error) === 'Region is missing') return new StorageError(name, `the region of ${where} is not known; set "region" (AWS_REGION)`, { cause: error })
  return new StorageError(name, `${where}: ${code} ${messageOf(error)}`, { cause: error })
}

function regionOf (error: unknown): string {
  const { Region, $response } = error as S3Failure
  const region = Region ?? $response?.headers?.['x-amz-bucket-region']
  return region === undefined ? '' : `, ${region}`
}

const attemptsOf = (error: unknown): number => (error as S3Failure).$metadata?.attempts ?? 1
