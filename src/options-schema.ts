import { Type } from '@sinclair/typebox'
import { hookOptions } from './hooks.ts'
import { RetentionOption } from './options-retention.ts'
import { StorageOption } from './options-storages.ts'
import { OneOf } from './schemas/fit.ts'
import { KeepLast } from './schemas/requests.ts'

const Milliseconds = Type.Integer({ minimum: 0, maximum: 0x7fffffff, description: 'a whole number of milliseconds from 0 to 2147483647' })
const RoutePath = Type.String({ pattern: '^(/[^/:*?#()\\s]+)+$', description: 'a path such as /snapshots, without a "/" at its end, parameters or wildcards' })
const RoleName = OneOf('viewer', 'admin')
const Text = Type.String({ minLength: 1, description: 'a text that is not empty' })
const Tokens = Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], { description: 'a token or a list of tokens' })
const closed = { additionalProperties: false }

const snapshotOptions = {
  database: Text,
  databaseName: Type.String({ pattern: '^[a-z0-9_-]{1,64}$', description: '1 to 64 lower-case letters a to z, digits, "_" and "-"' }),
  snapshotDir: Text,
  recoveryDir: Text,
  storage: StorageOption,
  probeStorage: Type.Boolean(),
  maxBytesPerSecond: Type.Number({ minimum: 1, description: 'a number of at least 1' }),
  compressionLevel: Type.Integer({ minimum: 1, maximum: 19, description: 'a whole number from 1 to 19' }),
  maxParentAge: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'a whole number of milliseconds' }),
  lockTimeout: Milliseconds,
  integrityCheckMaxAge: Milliseconds,
  allowDamaged: Type.Boolean(),
  retention: RetentionOption,
  preRestoreBackups: Type.Partial(Type.Object({ keepLast: KeepLast, maxAge: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'a whole number of milliseconds of at least 1' }) }, closed)),
  replaceTimeout: Milliseconds,
  validateTimeout: Milliseconds,
  ...hookOptions,
  migrations: Type.Object({ folder: Text }, closed),
  migrate: Type.Function([], Type.Any()),
  validate: Type.Function([], Type.Any()),
  logger: Type.Object({})
}
const Cron = Type.Union([Text, Type.Literal(false)], { description: 'a cron expression such as "0 */6 * * *", or false' })
/** Options with fields of their own; each may be something else than an object as well. */
export const nestedOptions = {
  auth: Type.Partial(Type.Object({ admin: Tokens, viewer: Tokens }, closed)),
  health: Type.Partial(Type.Object({ path: RoutePath }, closed)),
  metrics: Type.Partial(Type.Object({ path: RoutePath, role: RoleName, registry: Type.Object({}) }, closed)),
  maintenance: Type.Partial(Type.Object({ duringRestores: Type.Boolean(), retryAfter: Type.Integer({ minimum: 1, maximum: 86_400, description: 'a whole number of seconds from 1 to 86400' }) }, closed)),
  schedule: Type.Partial(Type.Object({ snapshots: Cron, integrity: Cron, retention: Cron, verify: Cron, drill: Cron, timezone: Text, jitter: Milliseconds, runMissed: Type.Boolean(), keepLast: KeepLast }, closed))
}
const False = Type.Literal(false)
const pluginOptions = {
  ...snapshotOptions,
  namespace: Type.String({ pattern: '^[a-z0-9_-]{1,64}$', description: '1 to 64 lower-case letters a to z, digits, "_" and "-"' }),
  auth: Type.Union([False, Type.Function([], Type.Any()), nestedOptions.auth], { description: 'tokens ({ admin, viewer }), a function, or false' }),
  prefix: RoutePath,
  health: Type.Union([False, nestedOptions.health], { description: '{ path }, or false' }),
  metrics: Type.Union([False, nestedOptions.metrics], { description: '{ path, role, registry }, or false' }),
  maintenance: nestedOptions.maintenance,
  schedule: Type.Union([False, nestedOptions.schedule], { description: '{ snapshots, integrity, retention, verify, drill, timezone, jitter, runMissed, keepLast }, or false' })
}

/** Options of `SnapshotWriter`, as they may be written. */
export const SnapshotOptionsSchema = Type.Partial(Type.Object(snapshotOptions, closed))
/** Options of the plugin. */
export const PluginOptionsSchema = Type.Partial(Type.Object(pluginOptions, closed))
