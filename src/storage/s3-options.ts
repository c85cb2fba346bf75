import { Type, type Static } from '@sinclair/typebox'
import { OptionError } from '../errors.ts'
import { OneOf, problemIn } from '../schemas/fit.ts'
import { checkPrefix } from './storage-key.ts'

/** Keys of an account, or short-lived ones with their token. */
export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  /** When they end: shortly before, the function that gave them is asked again. Without it, it is asked once. */
  expiration?: Date
}

/** What is used of a client of the AWS SDK: an `S3Client` of @aws-sdk/client-s3 is one. */
export interface S3ClientLike {
  send: (...args: any[]) => Promise<any>
  config: object
}

/** Options of {@link S3Storage}. Times are in milliseconds, sizes in bytes. */
export interface S3StorageOptions {
  bucket: string
  /** Names the storage in errors, metrics and the `replicas` of a snapshot. Default `s3`. */
  name?: string
  /** Stands before every key, with a slash between. Default `snapshots`; empty for none. */
  prefix?: string
  /** Default: AWS_REGION, then `us-east-1` where an endpoint is given, then what the SDK finds. */
  region?: string
  /** The URL of a server other than AWS, for example `https://s3.example.com`. */
  endpoint?: string
  /** The bucket in the path instead of the host name. Default: true where an endpoint is given. */
  forcePathStyle?: boolean
  /** Default: those the SDK finds in the environment, shared files, or the machine's role. */
  credentials?: S3Credentials | (() => Promise<S3Credentials>)
  /** A client to use in place of one made from region, endpoint, credentials and times. Its own retries and times apply. */
  client?: S3ClientLike
  /** Encryption by the server. Default: what the bucket is set to. */
  serverSideEncryption?: 'AES256' | 'aws:kms'
  /** The key for `aws:kms`. Default: the account's own for S3. */
  kmsKeyId?: string
  /** For example `STANDARD_IA`. Must be one that can be read at once. Default: the bucket's. */
  storageClass?: string
  /** Keeps everybody from deleting an object for so many days. The bucket must have Object Lock. */
  objectLock?: { mode: 'GOVERNANCE' | 'COMPLIANCE', days: number }
  /** Tags of every object. */
  tags?: Record<string, string>
  /** Larger objects go and come in parts of this size. At least 5 MiB; default 8 MiB. */
  partSize?: number
  /** Parts of one object under way at once; with `partSize` it bounds the memory. Default 4. */
  queueSize?: number
  /** How often a request is tried, with growing pauses. Default 5. */
  maxAttempts?: number
  /** For the connection to be made. Default 10000. */
  connectionTimeout?: number
  /** Without a byte in either direction. Default 30000. */
  stallTimeout?: number
  /** For one try of a request, with a part's bytes. Default 300000. */
  requestTimeout?: number
}

const PART_BYTES = 8 * 1024 * 1024
/** S3 takes no smaller parts. */
const LEAST_PART_BYTES = 5 * 1024 * 1024
/** S3 takes no larger ones in one request. */
const MOST_PART_BYTES = 5 * 1024 ** 3
const MOST_PREFIX = 511

const Text = Type.String({ minLength: 1, description: 'a text that is not empty' })
const Milliseconds = Type.Integer({ minimum: 1, maximum: 0x7fffffff, description: 'a whole number of milliseconds from 1 to 2147483647' })
const Count = (maximum: number) => Type.Integer({ minimum: 1, maximum, description: `a whole number from 1 to ${maximum}` })
const Days = Count(36_500)
const closed = { additionalProperties: false }
const Credentials = Type.Object({ accessKeyId: Text, secretAccessKey: Text, sessionToken: Type.Optional(Text) })
const ObjectLock = Type.Object({ mode: OneOf('GOVERNANCE', 'COMPLIANCE'), days: Days }, { ...closed, description: '{ mode, days }' })

/** The form of {@link S3StorageOptions}. */
export const S3OptionsSchema = Type.Composite([
  Type.Object({ bucket: Type.String({ pattern: '^(?!.*--x-s3$)[A-Za-z0-9][A-Za-z0-9._-]{1,254}$', description: 'the name of a bucket, not of a directory bucket' }) }),
  Type.Partial(Type.Object({
    name: Text,
    prefix: Type.String(),
    region: Text,
    endpoint: Type.String({ pattern: '^https?://[^/?#@]+/?$', description: 'a URL such as https://s3.example.com, without a path and credentials' }),
    forcePathStyle: Type.Boolean(),
    credentials: Type.Union([Type.Function([], Type.Any()), Credentials], { description: '{ accessKeyId, secretAccessKey, sessionToken }, or a function that gives them' }),
    client: Type.Object({}),
    serverSideEncryption: OneOf('AES256', 'aws:kms'),
    kmsKeyId: Text,
    storageClass: Text,
    objectLock: ObjectLock,
    tags: Type.Record(Type.String(), Type.String(), { description: 'names and values' }),
    partSize: Type.Integer({ minimum: LEAST_PART_BYTES, maximum: MOST_PART_BYTES, description: 'a whole number of bytes from 5 MiB to 5 GiB' }),
    queueSize: Count(64),
    maxAttempts: Count(100),
    connectionTimeout: Milliseconds,
    stallTimeout: Milliseconds,
    requestTimeout: Milliseconds
  }))
], closed)

/** {@link S3StorageOptions} with the defaults that are not the SDK's filled in. */
export type S3Settings = S3StorageOptions & Required<Pick<S3StorageOptions,
  'name' | 'prefix' | 'partSize' | 'queueSize' | 'maxAttempts' | 'connectionTimeout' | 'stallTimeout' | 'requestTimeout'>>

/**
 * Checks options and fills in defaults.
 * @throws FST_SNAPSHOT_INVALID_OPTION, naming the option
 */
export function s3Settings (options: S3StorageOptions): S3Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as unknown as S3StorageOptions & Static<typeof S3OptionsSchema>
  const problem = problemIn(S3OptionsSchema, given)
  if (problem !== undefined) throw new OptionError(`S3 "${problem.path.slice(1).replaceAll('/', '.')}": ${problem.words}`)
  if (given.kmsKeyId !== undefined && given.serverSideEncryption !== 'aws:kms') throw new OptionError('S3 "kmsKeyId": it needs "serverSideEncryption" to be aws:kms')
  if (given.client !== undefined && typeof given.client.send !== 'function') throw new OptionError('S3 "client": it has no method send')
  const region = given.region ?? process.env.AWS_REGION ?? (given.endpoint && 'us-east-1')
  return {
    name: 's3',
    partSize: PART_BYTES,
    queueSize: 4,
    maxAttempts: 5,
    connectionTimeout: 10_000,
    stallTimeout: 30_000,
    requestTimeout: 300_000,
    forcePathStyle: given.endpoint !== undefined,
    ...given,
    ...(region && { region }),
    prefix: trimmed(given.prefix ?? 'snapshots')
  }
}

/** A prefix without slashes around it. With the longest key it makes the longest that S3 takes. */
function trimmed (prefix: string): string {
  const bare = prefix.replace(/^\/+|\/+$/g, '')
  if (bare.length > MOST_PREFIX) throw new OptionError(`S3 "prefix": it has more than ${MOST_PREFIX} characters`)
  try {
    return checkPrefix(bare)
  } catch (error) {
    throw new OptionError(`S3 "prefix": ${JSON.stringify(prefix)} is no key; use letters, digits, "_", "-", "." and "/"`, { cause: error })
  }
}

/** The options that the environment gives by S3_BUCKET, S3_PREFIX, S3_ENDPOINT and AWS_REGION, or null without a bucket. Empty ones count as absent. */
export function s3OptionsFromEnv (env: Record<string, string | undefined> = process.env): S3StorageOptions | null {
  const { S3_BUCKET: bucket, S3_PREFIX: prefix, S3_ENDPOINT: endpoint, AWS_REGION: region } = env
  return bucket ? { bucket, ...(prefix && { prefix }), ...(endpoint && { endpoint }), ...(region && { region }) } : null
}
