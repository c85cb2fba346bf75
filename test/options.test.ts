import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { silentLogger } from '../src/logger.ts'
import { optionsFromEnv, pluginSettings, snapshotSettings, type SnapshotOptions, type SnapshotsPluginOptions } from '../src/options.ts'
import { LocalStorage } from '../src/storage/local-storage.ts'
import { setEnvironment } from './helpers/environment.ts'
import { testFolder } from './helpers/folder.ts'

const refused = (option: string, rest = '') => ({ code: 'FST_SNAPSHOT_INVALID_OPTION', name: 'FastifyError', message: new RegExp(`^Invalid option: "${option.replaceAll('.', '\\.')}".*${rest}`, 's') })
const database = '/data/app.db'
function thrownBy (run: () => unknown): string {
  try {
    run()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
const auth = { admin: 'admin-token', viewer: 'viewer-token' }

t.test('a path is enough, and everything else has a default', async t => {
  setEnvironment(t)
  const { storages, ...settings } = snapshotSettings({ database: 'data/app.db' })
  t.match(storages, [{ storage: { name: 'local' }, isRequired: true }])
  t.strictSame(settings, {
    database: resolve('data/app.db'),
    databaseName: 'app',
    snapshotDir: resolve('data/backups'),
    recoveryDir: resolve('data/recovery'),
    isRecoveryDirDefault: true,
    probeStorage: true,
    compressionLevel: 1,
    maxParentAge: 604_800_000,
    lockTimeout: 10_000,
    integrityCheckMaxAge: 0,
    allowDamaged: false,
    preRestoreBackups: { keepLast: 10, maxAge: 2_592_000_000 },
    retention: { scheduled: { keepLast: 10 }, manual: {}, minimum: 1, holdFactor: 4, failedMaxAge: 2_592_000_000 },
    replaceTimeout: 10_000,
    validateTimeout: 600_000,
    logger: silentLogger
  })
})

t.test('the default logger takes messages and says nothing', async t => {
  setEnvironment(t)
  const { logger } = snapshotSettings({ database })
  for (const level of ['info', 'warn', 'error'] as const) t.equal(logger[level]({}, 'message'), undefined)
})

t.test('what is given is kept, folders made absolute', async t => {
  setEnvironment(t, { DATABASE_URL: '/env.db', SNAPSHOT_DATABASE: 'env', SNAPSHOT_DIR: '/env', RECOVERY_DIR: '/env' })
  const folder = testFolder(t, { migrations: { meta: { '_journal.json': '{}' } } })
  const given: SnapshotOptions = {
    databaseName: 'name_of-9',
    probeStorage: false,
    compressionLevel: 19,
    maxParentAge: 0,
    maxBytesPerSecond: 0.5e6,
    lockTimeout: 0,
    integrityCheckMaxAge: 3_600_000,
    allowDamaged: true,
    retention: { scheduled: { daily: 1 }, manual: { keepLast: 1 }, minimum: 2, holdFactor: 0, failedMaxAge: 1 },
    preRestoreBackups: { keepLast: 1, maxAge: 1 },
    replaceTimeout: 0,
    validateTimeout: 0,
    validate: () => true,
    onBeforeRestore: () => {},
    migrations: { folder: join(folder, 'migrations') },
    migrate: async () => {},
    logger: { info () {}, warn () {}, error () {} }
  }
  const { storages, ...settings } = snapshotSettings({ ...given, storage: new LocalStorage(folder, 'given'), database: 'file:./x.db?a', snapshotDir: 'one', recoveryDir: './two' })
  t.match(storages, [{ storage: { name: 'given' } }])
  t.strictSame(settings, { ...given, database: resolve('x.db'), snapshotDir: resolve('one'), recoveryDir: resolve('two'), isRecoveryDirDefault: false })
})

t.test('undefined values count as not given', async t => {
  setEnvironment(t, { DATABASE_URL: '/data/env.db', SNAPSHOT_DATABASE: 'from-env' })
  const options = { database: undefined, databaseName: undefined, snapshotDir: undefined, lockTimeout: undefined, compressionLevel: undefined, logger: undefined, storage: undefined, migrate: undefined }
  t.match(snapshotSettings(options), { database: '/data/env.db', databaseName: 'from-env', snapshotDir: '/data/backups', lockTimeout: 10_000, compressionLevel: 1, logger: silentLogger })
  t.match(pluginSettings({ ...options, auth: false, prefix: undefined, health: undefined, schedule: { keepLast: undefined, integrity: undefined } }), { prefix: '/snapshots', health: { path: '/health' }, retention: { scheduled: { keepLast: 10 } }, schedule: { integrity: '0 * * * *' } })
})

t.test('the environment gives what the options do not', async t => {
  setEnvironment(t, { DATABASE_URL: 'file:./env.db', SNAPSHOT_DATABASE: 'env', SNAPSHOT_DIR: '/env/snapshots', RECOVERY_DIR: '/env/recovery', SNAPSHOT_CRON_SCHEDULE: '5 5 * * *', SNAPSHOT_ADMIN_TOKEN: 'env-admin-token' })
  const fromEnv = { database: resolve('env.db'), databaseName: 'env', snapshotDir: '/env/snapshots', recoveryDir: '/env/recovery' }
  t.match(snapshotSettings(), fromEnv)
  t.match(snapshotSettings({ databaseName: 'given' }), { ...fromEnv, databaseName: 'given' })
  t.match(pluginSettings({}), { ...fromEnv, auth: { admin: 'env-admin-token' }, schedule: { snapshots: '5 5 * * *' } })
  t.match(pluginSettings({ auth: { viewer: 'given-token' } }).auth, { viewer: 'given-token', admin: undefined }, 'options replace all tokens of the environment')
})

t.test('without a database there is an error that says what to give', async t => {
  setEnvironment(t)
  t.throws(() => snapshotSettings(), refused('database', 'DATABASE_URL'))
  t.throws(() => pluginSettings({ auth }), refused('database', 'DATABASE_URL'))
})

const wrong: Array<[string, object]> = [
  ['database', { database: 5 }], ['database', { database: '' }], ['database', { database: null }],
  ['databaseName', { databaseName: 'Upper' }], ['databaseName', { databaseName: '' }], ['databaseName', { databaseName: '../up' }], ['databaseName', { databaseName: 'x'.repeat(65) }],
  ['snapshotDir', { snapshotDir: '' }], ['recoveryDir', { recoveryDir: 5 }],
  ['storage', { storage: 'local' }], ['storage', { storage: {} }],
  ['maxBytesPerSecond', { maxBytesPerSecond: 0 }], ['maxBytesPerSecond', { maxBytesPerSecond: Infinity }], ['maxBytesPerSecond', { maxBytesPerSecond: '1' as unknown as number }],
  ['compressionLevel', { compressionLevel: 0 }], ['compressionLevel', { compressionLevel: 20 }], ['compressionLevel', { compressionLevel: 1.5 }], ['compressionLevel', { compressionLevel: '3' }],
  ['maxParentAge', { maxParentAge: -1 }], ['maxParentAge', { maxParentAge: 0.5 }],
  ['lockTimeout', { lockTimeout: -1 }], ['lockTimeout', { lockTimeout: 2 ** 31 }], ['lockTimeout', { lockTimeout: NaN }],
  ['integrityCheckMaxAge', { integrityCheckMaxAge: Infinity }],
  ['allowDamaged', { allowDamaged: 'yes' }],
  ['migrations', { migrations: './drizzle' }], ['migrations.folder', { migrations: {} }], ['migrations.table', { migrations: { folder: 'x', table: 'y' } }], ['migrations.folder', { migrations: { folder: '/nowhere' } }],
  ['migrate', { migrate: 'npm run migrate' }],
  ['logger', { logger: true }], ['logger', { logger: { warn () {}, error () {} } }],
  ['databse', { databse: 'app.db' }]
]
const wrongForPlugin: Array<[string, object]> = [
  ['auth', { auth: true }], ['auth', { auth: null }], ['auth.admin', { auth: { admin: 'short' } }], ['auth.admin', { auth: { admin: [] } }], ['auth.admin', { auth: { admin: ['long-enough', 'short'] } }], ['auth.root', { auth: { root: 'long-enough' } }],
  ['prefix', { prefix: 'snapshots' }], ['prefix', { prefix: '' }], ['prefix', { prefix: '/a?b' }], ['prefix', { prefix: '/' }],
  ['health', { health: true }], ['health.path', { health: { path: 'health' } }], ['health.url', { health: { url: '/health' } }],
  ['metrics', { metrics: '/metrics' }], ['metrics.role', { metrics: { role: 'root' } }],
  ['schedule', { schedule: true }], ['schedule.snapshots', { schedule: { snapshots: '' } }], ['schedule.integrity', { schedule: { integrity: true } }], ['schedule.keepLast', { schedule: { keepLast: 0 } }], ['schedule.keepLast', { schedule: { keepLast: 1.5 } }], ['schedule.every', { schedule: { every: 5 } }]
]

for (const [option, value] of wrong) {
  t.test(`the option ${JSON.stringify(value)} is refused by naming it`, async t => {
    setEnvironment(t)
    t.throws(() => snapshotSettings({ database, ...value }), refused(option))
    t.throws(() => pluginSettings({ database, auth, ...value }), refused(option))
  })
}
for (const [option, value] of wrongForPlugin) {
  t.test(`the plugin's option ${JSON.stringify(value)} is refused by naming it`, async t => {
    setEnvironment(t)
    t.throws(() => pluginSettings({ database, auth, ...value }), refused(option))
    t.throws(() => snapshotSettings({ database, ...value }), refused(String(option.split('.')[0])), 'and is none of a writer')
  })
}

const WRONG_ENVIRONMENT: Array<[variable: string, value: string, message: RegExp]> = [
  ['SNAPSHOT_DATABASE', 'My App', /"databaseName" \(SNAPSHOT_DATABASE\): it must be 1 to 64 lower-case letters a to z, digits, "_" and "-"$/],
  ['SNAPSHOT_DIR', '/dev/null/backups', /"snapshotDir" \(SNAPSHOT_DIR\): \/dev\/null is not a folder$/],
  ['RECOVERY_DIR', '/dev/null', /"recoveryDir" \(RECOVERY_DIR\): \/dev\/null is not a folder$/],
  ['SNAPSHOT_ADMIN_TOKEN', 'short', /"auth\.admin" \(SNAPSHOT_ADMIN_TOKEN\): a token is at least 8/],
  ['SNAPSHOT_VIEWER_TOKEN', 'with space', /"auth\.viewer" \(SNAPSHOT_VIEWER_TOKEN\)/],
  ['DATABASE_URL', 'mysql://host', /"database" \(DATABASE_URL\)/]
]
for (const [variable, value, message] of WRONG_ENVIRONMENT) {
  t.test(`a wrong ${variable} is refused by naming it`, async t => {
    setEnvironment(t, { DATABASE_URL: database, [variable]: value })
    t.throws(() => pluginSettings(variable.endsWith('TOKEN') ? {} : { auth }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message })
  })
}

const IN_WORDS: Array<[options: object, words: string]> = [
  [{ databaseName: 'Upper' }, '"databaseName" (SNAPSHOT_DATABASE): it must be 1 to 64 lower-case letters'],
  [{ compressionLevel: 20 }, '"compressionLevel": it must be a whole number from 1 to 19'],
  [{ lockTimeout: -1 }, '"lockTimeout": it must be a whole number of milliseconds from 0'],
  [{ prefix: 'snapshots' }, '"prefix": it must be a path such as /snapshots'],
  [{ auth: true }, '"auth": it must be tokens ({ admin, viewer }), a function, or false'],
  [{ auth: { admin: 5 } }, '"auth.admin" (SNAPSHOT_ADMIN_TOKEN): it must be a token or a list of tokens'],
  [{ health: true }, '"health": it must be { path }, or false'],
  [{ metrics: '/metrics' }, '"metrics": it must be { path, role, registry }, or false'],
  [{ metrics: { role: 'root' } }, '"metrics.role": it must be one of viewer, admin'],
  [{ schedule: true }, '"schedule": it must be { snapshots, integrity, retention, verify, drill, timezone, jitter, runMissed, keepLast }, or false'],
  [{ schedule: { snapshots: '' } }, '"schedule.snapshots" (SNAPSHOT_CRON_SCHEDULE): it must be a cron expression such as "0 */6 * * *", or false'],
  [{ schedule: { keepLast: 0 } }, '"schedule.keepLast": it must be a whole number of at least 1'],
  [{ migrations: {} }, '"migrations.folder": it is missing'],
  [{ metrics: { paths: '/metrics' } }, '"metrics.paths": it is not known; known are path, role'],
  [{ allowDamaged: 'yes' }, '"allowDamaged": Expected boolean']
]
for (const [options, words] of IN_WORDS) {
  t.test(`the error of ${JSON.stringify(options)} says in words what is allowed`, async t => {
    setEnvironment(t)
    const message = thrownBy(() => pluginSettings({ database, auth, ...options }))
    t.match(message, `Invalid option: ${words}`)
    t.notMatch(message, /\^|union/)
  })
}

for (const path of ['/a/', '/', '/a/:b', '/*', '/a//b', '/a b', '/a?b', '/a#b', '/(a)', 'a', '']) {
  t.test(`no route can be at ${JSON.stringify(path)}`, async t => {
    setEnvironment(t)
    t.throws(() => pluginSettings({ database, auth, prefix: path }), refused('prefix', 'it must be a path such as /snapshots'))
    t.throws(() => pluginSettings({ database, auth, health: { path } }), refused('health.path', 'it must be a path such as'))
    t.throws(() => pluginSettings({ database, auth, metrics: { path } }), refused('metrics.path', 'it must be a path such as'))
  })
}

const HIDING: Array<[option: string, options: SnapshotsPluginOptions, words: string]> = [
  ['metrics.path', { health: { path: '/same' }, metrics: { path: '/same' } }, '/same is a path of the health routes already'],
  ['metrics.path', { metrics: { path: '/health/live' } }, '/health/live is a path of the health routes already'],
  ['health.path', { health: { path: '/snapshots' } }, '/snapshots lies within "prefix" /snapshots'],
  ['health.path', { health: { path: '/snapshots/health' } }, '/snapshots/health lies within'],
  ['health.path', { prefix: '/health/live' }, '/health/live lies within'],
  ['metrics.path', { prefix: '/api/backups', metrics: { path: '/api/backups/metrics' } }, '/api/backups/metrics lies within "prefix" /api/backups']
]
for (const [option, options, words] of HIDING) {
  t.test(`paths that hide each other are refused: ${JSON.stringify(options)}`, async t => {
    setEnvironment(t)
    t.throws(() => pluginSettings({ database, auth, ...options }), refused(option, words))
  })
}

t.test('paths side by side are taken, and one that is switched off hides nothing', async t => {
  setEnvironment(t)
  const taken: SnapshotsPluginOptions[] = [{ health: { path: '/snapshots-health' } }, { health: false, metrics: { path: '/health' } }, { metrics: false, health: { path: '/metrics' } }, { prefix: '/health/snapshots' }, { prefix: '/v1/größe~._-%20' }]
  for (const options of taken) t.ok(pluginSettings({ database, auth, ...options }))
})

for (const option of ['snapshotDir', 'recoveryDir']) {
  t.test(`a file in the place of ${option}, or of a folder above it, is refused`, async t => {
    setEnvironment(t)
    const file = join(testFolder(t, { folder: {}, file: 'x' }), 'file')
    for (const path of [file, join(file, 'below'), join(file, 'far', 'below')]) {
      t.throws(() => snapshotSettings({ database, [option]: path }), refused(option, `${file} is not a folder`))
    }
    for (const path of ['folder', 'folder/new', 'new/new']) t.ok(snapshotSettings({ database, [option]: join(t.testdirName, path) }))
  })
}

t.test('a folder without a journal of migrations is refused', async t => {
  setEnvironment(t)
  const folder = testFolder(t)
  t.throws(() => snapshotSettings({ database, migrations: { folder } }), refused('migrations.folder', 'is no folder of Drizzle migrations'))
  mkdirSync(join(folder, 'meta'))
  writeFileSync(join(folder, 'meta', '_journal.json'), '{}')
  t.ok(snapshotSettings({ database, migrations: { folder } }))
})

t.test('a logger and a storage may have their methods and name from a class', async t => {
  setEnvironment(t)
  const logger = new (class { info (): void {} warn (): void {} error (): void {} })()
  t.equal(snapshotSettings({ database, logger }).logger, logger)
  const storage = new (class extends LocalStorage {})('/data')
  t.equal(snapshotSettings({ database, storage }).storages[0]?.storage, storage)
})

t.test('the plugin requires `auth`, as nobody should open the routes by mistake', async t => {
  setEnvironment(t)
  const none: SnapshotsPluginOptions[] = [{}, { auth: undefined }, { auth: {} }, { auth: { admin: undefined, viewer: undefined } }]
  for (const options of none) t.throws(() => pluginSettings({ database, ...options }), refused('auth', 'is required'))
  const roleOf = (): 'viewer' => 'viewer'
  for (const auth of [false, roleOf, { admin: 'long-enough' }, { viewer: 'long-enough' }, { admin: ['new-token', 'old-token'] }] as const) {
    t.equal(pluginSettings({ database, auth: auth as SnapshotsPluginOptions['auth'] }).auth, auth)
  }
})

t.test('the plugin has defaults for its routes and schedules', async t => {
  setEnvironment(t)
  t.match(pluginSettings({ database, auth }), {
    database,
    prefix: '/snapshots',
    health: { path: '/health' },
    metrics: { path: '/metrics', role: null },
    schedule: { snapshots: '0 */6 * * *', integrity: '0 * * * *', retention: '30 * * * *', verify: '0 4 * * *', drill: '0 5 1 * *', timezone: undefined }
  })
})

t.test('routes and schedules of the plugin can be moved and switched off', async t => {
  setEnvironment(t, { SNAPSHOT_CRON_SCHEDULE: '5 5 * * *' })
  t.match(pluginSettings({ database, auth, prefix: '/api/backups', health: false, metrics: false, schedule: false }),
    { prefix: '/api/backups', health: false, metrics: false, schedule: { snapshots: false, integrity: false } })
  t.match(pluginSettings({ database, auth, health: { path: '/live' }, metrics: { path: '/prom', role: 'viewer' } }),
    { health: { path: '/live' }, metrics: { path: '/prom', role: 'viewer' } })
  t.strictSame(pluginSettings({ database, auth, schedule: { snapshots: false, integrity: '1 * * * *', retention: 'off', timezone: 'Europe/Vienna' } }).schedule,
    { snapshots: false, integrity: '1 * * * *', retention: false, verify: '0 4 * * *', drill: '0 5 1 * *', timezone: 'Europe/Vienna', jitter: 0, runMissed: true })
  t.match(pluginSettings({ database, auth, schedule: { integrity: false } }).schedule, { snapshots: '5 5 * * *', integrity: false }, 'the environment still gives what is left out')
})

t.test('SNAPSHOT_CRON_SCHEDULE=off switches scheduled snapshots off, and only those', async t => {
  setEnvironment(t, { SNAPSHOT_CRON_SCHEDULE: 'off' })
  t.match(pluginSettings({ database, auth }).schedule, { snapshots: false, integrity: '0 * * * *' })
  t.match(pluginSettings({ database, auth, schedule: { keepLast: 5 } }), { schedule: { snapshots: false }, retention: { scheduled: { keepLast: 5 } } })
  t.match(pluginSettings({ database, auth, schedule: { snapshots: '1 1 * * *' } }).schedule, { snapshots: '1 1 * * *' })
  t.match(pluginSettings({ database, auth, schedule: { snapshots: 'off', integrity: 'off' } }).schedule, { snapshots: false, integrity: false }, 'as an option, too')
  t.same(optionsFromEnv({ SNAPSHOT_CRON_SCHEDULE: 'off' }), { schedule: { snapshots: false } })
})

t.test('optionsFromEnv reads the variables, and empty ones count as absent', async t => {
  t.strictSame(optionsFromEnv({}), {})
  t.strictSame(optionsFromEnv({ DATABASE_URL: '', SNAPSHOT_DATABASE: '', SNAPSHOT_DIR: '', RECOVERY_DIR: '', SNAPSHOT_CRON_SCHEDULE: '', SNAPSHOT_ADMIN_TOKEN: '', SNAPSHOT_VIEWER_TOKEN: '' }), {})
  t.strictSame(optionsFromEnv({ DATABASE_URL: 'a', SNAPSHOT_DATABASE: 'b', SNAPSHOT_DIR: 'c', RECOVERY_DIR: 'd', SNAPSHOT_CRON_SCHEDULE: 'e', SNAPSHOT_ADMIN_TOKEN: 'f', SNAPSHOT_VIEWER_TOKEN: 'g' }),
    { database: 'a', databaseName: 'b', snapshotDir: 'c', recoveryDir: 'd', schedule: { snapshots: 'e' }, auth: { admin: 'f', viewer: 'g' } })
  t.strictSame(optionsFromEnv({ SNAPSHOT_VIEWER_TOKEN: 'g' }), { auth: { viewer: 'g' } })
  t.strictSame(optionsFromEnv({ SNAPSHOT_ADMIN_TOKEN: 'f' }), { auth: { admin: 'f' } })
  setEnvironment(t, { DATABASE_URL: 'from the process' })
  t.strictSame(optionsFromEnv(), { database: 'from the process' })
})
