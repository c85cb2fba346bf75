import { Type } from '@sinclair/typebox'
import { OptionError } from './errors.ts'
import { problemIn } from './schemas/fit.ts'
import { LocalStorage } from './storage/local-storage.ts'
import { s3OptionsFromEnv } from './storage/s3-options.ts'
import { S3Storage } from './storage/s3-storage.ts'
import type { SnapshotStorage } from './storage/snapshot-storage.ts'

/** One of several storages, with what is asked of it. */
export interface ReplicaOptions {
  storage: SnapshotStorage
  /**
   * Whether a snapshot is COMPLETED only once this storage has it, and its creation fails where this storage does. Copies in
   * the others follow in the background. Default: true for the first storage, false for the others.
   */
  required?: boolean
  /** Keep only so many of the newest snapshots here, as far as a storage without limits has the others. Default: all. */
  keepLast?: number
  /** Keep snapshots here for so many milliseconds, as far as a storage without limits has them; the newest one stays. Default: for ever. */
  maxAge?: number
}

/** A storage as it is used, after every check and default. */
export interface StorageSettings {
  storage: SnapshotStorage
  isRequired: boolean
  keepLast: number
  maxAge: number
}

const METHODS = ['put', 'get', 'head', 'list', 'delete', 'removePartialWrites'] as const
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

const Limits = Type.Partial(Type.Object({
  required: Type.Boolean(),
  keepLast: Type.Integer({ minimum: 1, description: 'a whole number of at least 1' }),
  maxAge: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'a whole number of milliseconds of at least 1' })
}))
const Entry = Type.Composite([Type.Object({ storage: Type.Object({}) }), Limits], { additionalProperties: false })

/** What the option may be, as far as a schema can tell. */
export const StorageOption = Type.Union([Type.Object({}), Type.Array(Type.Object({}), { minItems: 1 })], { description: 'a storage, or a list of one or more storages' })

/**
 * The storages of the snapshots: those given, else local files, and S3 where the environment names a bucket.
 * @throws FST_SNAPSHOT_INVALID_OPTION
 */
export function storageSettings (given: SnapshotStorage | Array<SnapshotStorage | ReplicaOptions> | undefined, snapshotDir: string): StorageSettings[] {
  const entries = given === undefined ? storagesFromEnv(snapshotDir) : [given].flat()
  const settings = entries.map((entry, index) => entrySettings(entry, index, Array.isArray(given) ? `storage.${index}` : 'storage'))
  const names = settings.map(({ storage }) => storage.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new OptionError(`"storage": two storages have the name ${twice}; give one another name, such as new S3Storage({ name: 'offsite', … })`)
  requireDistinctPlaces(settings)
  if (!settings.some(({ isRequired }) => isRequired)) throw new OptionError('"storage": none is required; leave "required" out for one of them, or set it to true')
  if (settings.every(isLimited)) throw new OptionError('"storage": one of them must keep all snapshots; leave out its keepLast and maxAge')
  return settings
}

/** Whether a storage does not keep all snapshots. */
export const isLimited = ({ keepLast, maxAge }: StorageSettings): boolean => keepLast !== Infinity || maxAge !== Infinity

function storagesFromEnv (snapshotDir: string): SnapshotStorage[] {
  const s3 = s3OptionsFromEnv()
  return [new LocalStorage(snapshotDir), ...s3 === null ? [] : [new S3Storage(s3)]]
}

/** A limit of one would remove what the other keeps. */
function requireDistinctPlaces (settings: StorageSettings[]): void {
  const names = new Map<string, string>()
  for (const { storage: { name, place } } of settings) {
    if (place === undefined) continue
    const other = names.get(place)
    if (other !== undefined) throw new OptionError(`"storage": ${other} and ${name} are the same place, ${place}; give one of them a folder, bucket or prefix of its own, or leave it out`)
    names.set(place, name)
  }
}

function entrySettings (entry: SnapshotStorage | ReplicaOptions, index: number, option: string): StorageSettings {
  const { storage, required = index === 0, keepLast = Infinity, maxAge = Infinity } = 'storage' in entry ? checkedEntry(entry, option) : { storage: entry }
  for (const method of METHODS) {
    if (typeof storage[method] !== 'function') throw new OptionError(`"${option}": it has no method ${method}`)
  }
  if (!NAME.test(storage.name)) throw new OptionError(`"${option}": its name ${JSON.stringify(storage.name)} must be 1 to 64 letters, digits, ".", "_" and "-"`)
  return { storage, isRequired: required, keepLast, maxAge }
}

function checkedEntry (entry: ReplicaOptions, option: string): ReplicaOptions {
  const given = Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined)) as unknown as ReplicaOptions
  const problem = problemIn(Entry, given)
  if (problem !== undefined) throw new OptionError(`"${[option, ...problem.path.split('/').slice(1)].join('.')}": ${problem.words}`)
  return given
}
