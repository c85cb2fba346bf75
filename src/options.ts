import { existsSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { TObject } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { OptionError } from './errors.ts'
import type { SnapshotHooks } from './hooks.ts'
import { silentLogger, type Logger } from './logger.ts'
import { databasePath, databaseSlug } from './options-database.ts'
import { optionName } from './options-names.ts'
import { requireDistinctPaths } from './options-paths.ts'
import { scheduledJobs, unlessOff, type ScheduledJob, type ScheduleOptions } from './options-schedule.ts'
import { retentionPolicy, type RetentionOptions, type RetentionPolicy } from './options-retention.ts'
import { nestedOptions, PluginOptionsSchema, SnapshotOptionsSchema } from './options-schema.ts'
import { storageSettings, type ReplicaOptions, type StorageSettings } from './options-storages.ts'
import { problemIn, withoutUndefined } from './schemas/fit.ts'
import type { SnapshotStorage } from './storage/snapshot-storage.ts'

/** Options of `SnapshotWriter` and `SnapshotRecovery`. What is not given is taken from the environment ({@link optionsFromEnv}). */
export interface SnapshotOptions extends SnapshotHooks {
  /** The application's database: a path or a `file:` URL as Prisma writes it, relative to the working directory. */
  database?: string
  /** Its name in labels, storage paths and default snapshot names: `[a-z0-9_-]`, at most 64. Default: made from the file's name. */
  databaseName?: string
  /** Where snapshots and the catalog are kept. Default: `backups` beside the database. */
  snapshotDir?: string
  /** Where pre-restore backups are kept. Default: `recovery` beside the database; for a second database there, a folder of its name in that. */
  recoveryDir?: string
  /**
   * Where snapshots are stored: one storage or several. Each snapshot goes to all of them; what a restore reads is the first
   * that has it. Default: local files in `snapshotDir`, and S3 besides where S3_BUCKET names a bucket ({@link s3OptionsFromEnv}).
   */
  storage?: SnapshotStorage | Array<SnapshotStorage | ReplicaOptions>
  /** Whether storages are tried out at the start, and again while they fail, by storing, reading and deleting a small object. Default true. */
  probeStorage?: boolean
  /** Limits the bytes that go to and come from each storage, both together. Default: no limit. */
  maxBytesPerSecond?: number
  /** zstd level from 1 (fastest, the default) to 19 (smallest). */
  compressionLevel?: number
  /**
   * How old anything may be, in milliseconds, that a snapshot shares with earlier ones; beyond that all is stored anew. Keep it
   * below the age at which a bucket expires its objects. Default 7 days; 0 makes every snapshot a full one.
   */
  maxParentAge?: number
  /** How long an operation waits for locks on the database, in milliseconds. Default 10000. */
  lockTimeout?: number
  /** A creation skips its integrity check when one passed within this many milliseconds. Default 0: every creation checks. */
  integrityCheckMaxAge?: number
  /** Keep snapshots of a damaged database as evidence, marked `integrity: "failed"`, instead of failing. Default false. */
  allowDamaged?: boolean
  /** Which snapshots are kept; the others are deleted after each creation and on schedule. */
  retention?: RetentionOptions
  /** Which contents from before restores are kept: the newest `keepLast` (default 10) as long as `maxAge` milliseconds (default 30 days). The newest always is. */
  preRestoreBackups?: { keepLast?: number, maxAge?: number }
  /** How long the application may take for `onBeforeRestore`, `onBeforeReplace` and `onAfterReplace`, in milliseconds. Default 10000. */
  replaceTimeout?: number
  /** A folder of Drizzle migrations that a restored image is brought up to before it goes live. */
  migrations?: { folder: string }
  /**
   * Migrates a restored image, a plain database file at the given path, with any other tool before it goes live. It must close
   * the file again. The signal is aborted when the application closes.
   */
  migrate?: (stagingPath: string, signal: AbortSignal) => void | Promise<void>
  /**
   * The application's own judgement of a rehearsed restore: it gets the restored database, which can only be read, and throws,
   * or returns false, 0, an empty text or NaN, where it could not live with it.
   */
  validate?: (database: DrillDatabase, signal: AbortSignal) => unknown
  /** How long `validate`, and the migrations of a rehearsed restore, may take, in milliseconds. Default 600000. */
  validateTimeout?: number
  /** Where messages go. Default: nowhere; the plugin gives `app.log`. */
  logger?: Logger
}

/** What a caller of the routes may do: a viewer reads, an admin does everything. */
export type Role = 'viewer' | 'admin'

/** Bearer tokens of each role, of 8 or more visible ASCII characters; several for a change of tokens without a gap. */
export interface TokenOptions { admin?: string | string[] | undefined, viewer?: string | string[] | undefined }

/** Decides on a request: the role, or null for nobody known. */
export type RoleFunction = (request: FastifyRequest) => Role | null | Promise<Role | null>

/** Options of the plugin. */
export interface SnapshotsPluginOptions extends SnapshotOptions {
  /** Who may use the routes: tokens, a function of one's own, or `false` to open them to everyone. One of them is required. */
  auth?: TokenOptions | RoleFunction | false
  /**
   * Makes the writer `app.snapshots.<namespace>`, where one application has several databases: 1 to 64 lower-case letters,
   * digits, `_` and `-`. It is also the default of `databaseName`. Health and metrics of all of them are on the same routes.
   */
  namespace?: string
  /** Path of the snapshot routes. Default `/snapshots`, with a namespace `/snapshots/<namespace>`. */
  prefix?: string
  /** The health routes, or `false` for none. Default path `/health`; of several databases it is that of the one that is worst off. */
  health?: false | { path?: string }
  /** The metrics, or `false` for none. */
  metrics?: false | MetricsOptions
  /** What runs by itself, or `false` for nothing. */
  schedule?: false | ScheduleOptions
  /** How the host's own routes answer while it takes no changes. */
  maintenance?: MaintenanceOptions
}

export interface MetricsOptions {
  /** Path of their route. Default `/metrics`; with a registry there is a route only where a path is given. */
  path?: string
  /** Who may see them. Default: everyone. */
  role?: Role
  /** A registry that the application shows itself, which gets these metrics as well. */
  registry?: MetricsRegistry
}

/** What is wanted of a registry: that of prom-client, or of a client that has grown out of it. */
export interface MetricsRegistry {
  registerMetric (metric: never): void
  removeSingleMetric (name: string): void
}

export interface MaintenanceOptions {
  /** Whether the application takes no changes while a restore is under way, besides when it was told so. Default false. */
  duringRestores?: boolean
  /** After how many seconds clients are told to try again. Default 30. */
  retryAfter?: number
}

const TOKEN = /^[\x21-\x7e]{8,}$/

type Defaulted = 'replaceTimeout' | 'validateTimeout' | 'probeStorage' | 'compressionLevel' | 'maxParentAge' | 'lockTimeout' | 'integrityCheckMaxAge' | 'allowDamaged' | 'logger'
/** Options after every check and default; paths are absolute. */
export type SnapshotSettings = Omit<SnapshotOptions, 'storage' | 'retention' | 'preRestoreBackups'> & Required<Pick<SnapshotOptions, Defaulted | 'database' | 'databaseName' | 'snapshotDir' | 'recoveryDir'>> & { storages: StorageSettings[], retention: RetentionPolicy, preRestoreBackups: { keepLast: number, maxAge: number }, isRecoveryDirDefault: boolean }

/** What `validate` gets: the database of better-sqlite3, or the part of it that is wanted for reading. */
export interface DrillDatabase {
  /** Path of its file. */
  readonly name: string
  prepare (sql: string): { get (...parameters: unknown[]): unknown, all (...parameters: unknown[]): unknown[] }
}

export interface PluginSettings extends SnapshotSettings {
  auth: TokenOptions | RoleFunction | false
  namespace: string | null
  prefix: string
  health: false | { path: string }
  metrics: false | { path: string | null, role: Role | null, registry: MetricsRegistry | null }
  schedule: { timezone: string | undefined, jitter: number, runMissed: boolean } & Record<ScheduledJob, string | false>
  maintenance: Required<MaintenanceOptions>
}

/**
 * The options that the environment gives: DATABASE_URL, SNAPSHOT_DATABASE, SNAPSHOT_DIR, RECOVERY_DIR,
 * SNAPSHOT_CRON_SCHEDULE (`off` for none), SNAPSHOT_ADMIN_TOKEN and SNAPSHOT_VIEWER_TOKEN. Empty ones count as absent.
 */
export function optionsFromEnv (env: Record<string, string | undefined> = process.env): SnapshotsPluginOptions {
  const { DATABASE_URL: database, SNAPSHOT_DATABASE: databaseName, SNAPSHOT_DIR: snapshotDir, RECOVERY_DIR: recoveryDir } = env
  const { SNAPSHOT_CRON_SCHEDULE: cron, SNAPSHOT_ADMIN_TOKEN: admin, SNAPSHOT_VIEWER_TOKEN: viewer } = env
  return {
    ...(database && { database }),
    ...(databaseName && { databaseName }),
    ...(snapshotDir && { snapshotDir }),
    ...(recoveryDir && { recoveryDir }),
    ...(cron && { schedule: { snapshots: unlessOff(cron) } }),
    ...((admin || viewer) && { auth: { ...(admin && { admin }), ...(viewer && { viewer }) } })
  }
}

/**
 * Checks options, completes them from the environment, and fills in defaults.
 * @throws FST_SNAPSHOT_INVALID_OPTION, naming the option
 */
export function snapshotSettings (options: SnapshotOptions = {}): SnapshotSettings {
  const { auth, schedule, ...fromEnv } = optionsFromEnv()
  return settle(check(SnapshotOptionsSchema, { ...fromEnv, ...withoutUndefined(options) }))
}

/** The same for the plugin. */
export function pluginSettings (options: SnapshotsPluginOptions): PluginSettings {
  const fromEnv = optionsFromEnv()
  for (const [option, schema] of Object.entries(nestedOptions)) {
    // On its own first: of a union, an error could only say that nothing fits.
    const value = options[option as keyof typeof nestedOptions]
    if (typeof value === 'object' && value !== null) check(schema, value, `${option}.`)
  }
  const { auth, namespace = null, prefix = namespace === null ? '/snapshots' : `/snapshots/${namespace}`, health = {}, metrics = {}, schedule = {}, maintenance = {}, ...rest } = check(PluginOptionsSchema, { ...fromEnv, ...withoutUndefined(options) })
  if (auth === undefined || (typeof auth === 'object' && auth.admin === undefined && auth.viewer === undefined)) {
    throw new OptionError('"auth" is required, as the routes give away and replace the whole database. Give tokens ({ admin, viewer }, or SNAPSHOT_ADMIN_TOKEN in the environment), a function, or false to open them to everyone')
  }
  requireLongTokens(auth)
  const { keepLast, timezone, jitter = namespace === null ? 0 : 30_000, runMissed = true, ...jobs } = withoutUndefined(schedule || {})
  const paths = {
    prefix,
    health: health && { path: health.path ?? '/health' },
    metrics: metrics && { path: metrics.path ?? (metrics.registry === undefined ? '/metrics' : null), role: metrics.role ?? null, registry: metrics.registry ?? null }
  }
  requireDistinctPaths(paths)
  return {
    ...settle({ ...namespace !== null && { databaseName: namespace }, ...rest }, keepLast),
    ...paths,
    namespace,
    auth,
    maintenance: { duringRestores: false, retryAfter: 30, ...withoutUndefined(maintenance) },
    schedule: { timezone, jitter, runMissed, ...scheduledJobs(schedule === false ? false : { ...(fromEnv.schedule || {}), ...jobs }) }
  }
}

function check<T extends object> (schema: TObject, options: T, within = ''): T {
  const problem = problemIn(schema, options)
  if (problem !== undefined) throw new OptionError(`${optionName(within + problem.path.slice(1).replaceAll('/', '.'))}: ${problem.words}`)
  return options
}

function settle ({ storage, ...options }: SnapshotOptions, keepLast?: number): SnapshotSettings {
  if (options.database === undefined) throw new OptionError('"database" is missing; give the path of the database, or set DATABASE_URL')
  requireMethods('logger', options.logger, ['info', 'warn', 'error'])
  const database = databasePath(options.database)
  const snapshotDir = resolve(options.snapshotDir ?? join(dirname(database), 'backups'))
  const settings = {
    probeStorage: true,
    replaceTimeout: 10_000,
    validateTimeout: 600_000,
    compressionLevel: 1,
    maxParentAge: 7 * 24 * 60 * 60 * 1000,
    lockTimeout: 10_000,
    integrityCheckMaxAge: 0,
    allowDamaged: false,
    logger: silentLogger,
    ...options,
    database,
    databaseName: options.databaseName ?? databaseSlug(database),
    ...(options.migrations && { migrations: { folder: resolve(options.migrations.folder) } }),
    snapshotDir,
    retention: retentionPolicy(options.retention, keepLast),
    preRestoreBackups: { keepLast: 10, maxAge: 30 * 24 * 60 * 60 * 1000, ...withoutUndefined(options.preRestoreBackups ?? {}) },
    storages: storageSettings(storage, snapshotDir),
    recoveryDir: resolve(options.recoveryDir ?? join(dirname(database), 'recovery')),
    isRecoveryDirDefault: options.recoveryDir === undefined
  }
  for (const option of ['snapshotDir', 'recoveryDir'] as const) requireFolder(option, settings[option])
  if (settings.migrations !== undefined && !existsSync(join(settings.migrations.folder, 'meta', '_journal.json'))) {
    throw new OptionError(`"migrations.folder": ${settings.migrations.folder} is no folder of Drizzle migrations`)
  }
  return settings
}

/** The folder may be missing; then the next one above it that is there has to be a folder. */
function requireFolder (option: string, path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return requireFolder(option, dirname(path))
  if (!found.isDirectory()) throw new OptionError(`${optionName(option)}: ${realpathSync(path)} is not a folder`)
}

/** What a schema cannot see: methods of an object's class. */
function requireMethods (option: string, object: object | undefined, methods: readonly string[]): void {
  for (const method of methods) {
    if (object !== undefined && typeof (object as Record<string, unknown>)[method] !== 'function') throw new OptionError(`"${option}": it has no method ${method}`)
  }
}

function requireLongTokens (auth: SnapshotsPluginOptions['auth']): void {
  for (const role of ['admin', 'viewer'] as const) {
    const tokens = typeof auth === 'object' ? [auth[role] ?? []].flat() : []
    if (!tokens.every(token => TOKEN.test(token))) throw new OptionError(`${optionName(`auth.${role}`)}: a token is at least 8 visible ASCII characters, without white space`)
  }
}
