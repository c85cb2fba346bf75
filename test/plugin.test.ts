import Fastify, { type FastifyInstance } from 'fastify'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import snapshots, { fastifySqliteSnapshots, LocalStorage, SnapshotRecovery, SnapshotWriter, type SnapshotsPluginOptions } from '../src/index.ts'
import { customHost } from './helpers/custom-host.ts'
import { contentOf, makeDatabase } from './helpers/databases.ts'
import { testFolder } from './helpers/folder.ts'
import { startHost } from './helpers/host.ts'
import { waitUntil } from './helpers/wait-until.ts'

function databaseIn (t: Test): string {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  return path
}

t.test('it is the default export and has a name', async t => {
  t.equal(snapshots, fastifySqliteSnapshots)
  const app = Fastify({ logger: { level: 'silent' } })
  t.teardown(async () => { await app.close() })
  await app.register(snapshots, { database: databaseIn(t), auth: false, schedule: false, probeStorage: false })
  t.ok(app.hasPlugin('fastify-sqlite-snapshots'))
})

t.test('app.snapshots creates, lists, restores, verifies and deletes', async t => {
  const { app, path } = await startHost(t)
  t.ok(app.snapshots instanceof SnapshotWriter)
  t.ok(app.snapshots.recovery instanceof SnapshotRecovery)
  const content = contentOf(path)
  t.match(await app.snapshots.createSnapshot('pre_deployment'), { name: 'pre_deployment', status: 'COMPLETED', trigger: 'manual' })
  t.match(await app.snapshots.listSnapshots(), { snapshots: [{ name: 'pre_deployment' }], nextCursor: null })
  t.match(await app.snapshots.getSnapshot('latest'), { name: 'pre_deployment' })
  t.match(await app.snapshots.verifySnapshot('pre_deployment'), { isHealthy: true })
  t.match(await app.snapshots.restoreFromSnapshot('pre_deployment'), { status: 'SUCCESS' })
  t.same(contentOf(path), content)
  t.match(await app.snapshots.recovery.validateDatabaseIntegrity(), { isHealthy: true, database: 'app' })
  t.match(app.snapshots.health(), { status: 'ok' })
  await app.snapshots.deleteSnapshot('pre_deployment')
  await t.rejects(app.snapshots.getSnapshot('pre_deployment'), { code: 'FST_SNAPSHOT_NOT_FOUND', statusCode: 404 })
})

t.test('what the routes make app.snapshots sees, and the reverse', async t => {
  const { app, request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'by-route' })
  t.same(await app.snapshots.getSnapshot('by-route'), (await request('GET', '/snapshots/by-route')).json())
})

t.test('the plugin does not hide app.snapshots in a scope of its own', async t => {
  const path = databaseIn(t)
  const { app } = await customHost(t, path, {
    after (app) {
      app.get('/mine', async () => await app.snapshots.listSnapshots())
      app.register(async scope => { scope.get('/nested', async () => await scope.snapshots.listSnapshots()) }, { prefix: '/sub' })
    }
  })
  t.same((await app.inject('/mine')).json(), { snapshots: [], nextCursor: null })
  t.same((await app.inject('/sub/nested')).json(), { snapshots: [], nextCursor: null })
})

const LOGGERS: Record<string, object> = {
  'without a logger': {},
  'with logger: false': { logger: false },
  'with logger: true': { logger: { level: 'silent' } },
  'with a logger that is an instance of a class': {
    loggerInstance: new class {
      level = 'info'
      info (): void {}
      warn (): void {}
      error (): void {}
      fatal (): void {}
      debug (): void {}
      trace (): void {}
      silent (): void {}
      child (): this { return this }
    }()
  }
}
for (const [what, server] of Object.entries(LOGGERS)) {
  t.test(`a host ${what} starts`, async t => {
    const app = Fastify(server)
    t.teardown(async () => { await app.close() })
    await app.register(snapshots, { database: databaseIn(t), auth: false, schedule: false, probeStorage: false })
    t.equal((await app.inject({ method: 'POST', url: '/snapshots' })).statusCode, 201)
  })
}

t.test('a storage of a class with its name in a getter is accepted', async t => {
  class Named extends LocalStorage {}
  const path = databaseIn(t)
  const inner = new Named(join(path, '..', 'backups'), 'inner')
  const storage = new class {
    get name (): string { return 'mine' }
    put = inner.put.bind(inner)
    get = inner.get.bind(inner)
    head = inner.head.bind(inner)
    list = inner.list.bind(inner)
    delete = inner.delete.bind(inner)
    removePartialWrites = inner.removePartialWrites.bind(inner)
  }()
  const { request } = await customHost(t, path, { plugin: { storage } })
  t.match((await request('POST', '/snapshots')).json().replicas, [{ storage: 'mine', state: 'STORED' }])
})

t.test('messages go to the logger of the host, or to the one that is given', async t => {
  const { request, log } = await startHost(t)
  await request('POST', '/snapshots', { name: 'first' })
  t.ok(log.some(({ msg }) => msg === 'Snapshot created'))
  const lines: string[] = []
  const note = (_details: object, message: string): void => { lines.push(message) }
  const path = join(t.testdirName, 'app.db')
  const other = await customHost(t, path, { plugin: { logger: { info: note, warn: note, error: note } } })
  await other.request('POST', '/snapshots', { name: 'second' })
  t.ok(lines.includes('Snapshot created'))
  t.notOk(other.log.some(({ msg }) => msg === 'Snapshot created'))
})

t.test('the host starts when the database file is missing, and works once it is there', async t => {
  const path = join(testFolder(t), 'app.db')
  const { app, request, log } = await customHost(t, path, { plugin: { schedule: { snapshots: false } }, after (app) { app.get('/mine', async () => 'works') } })
  t.equal((await app.inject('/mine')).body, 'works')
  await waitUntil('the check at the start is over', () => app.snapshots.recovery.lastIntegrityCheck())
  t.equal((await app.inject('/health')).statusCode, 503)
  t.notOk(existsSync(path), 'no empty database was made')
  t.ok(log.some(({ level }) => level === 50))
  makeDatabase(path).close()
  t.equal((await request('POST', '/snapshots')).statusCode, 201)
})

t.test('the host starts when the folder of the database is missing, too', async t => {
  const folder = testFolder(t)
  const { app } = await customHost(t, join(folder, 'prisma', 'dev.db'), { plugin: { databaseName: 'dev' } })
  t.equal((await app.inject('/health/live')).statusCode, 200)
})

t.test("the host's own routes keep their parsing, validation, serialization and errors", async t => {
  const { app } = await customHost(t, databaseIn(t), {
    before (app) {
      app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => await reply.code(error.statusCode ?? 500).send({ mine: error.message }))
      app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => { done(null, { text: body }) })
    },
    after (app) {
      const schema = { body: { type: 'object', additionalProperties: false, required: ['count'], properties: { count: { type: 'integer' } } } }
      app.post('/counted', { schema }, async request => ({ body: request.body }))
      app.post('/plain', async request => ({ body: request.body ?? null }))
      app.get('/failing', async () => { throw new Error('mine') })
      app.get('/shaped', { schema: { response: { 200: { type: 'object', properties: { a: { type: 'string' } } } } } }, async () => ({ a: 1, b: 2 }))
    }
  })
  const post = async (url: string, payload: string | undefined, type = 'application/json'): Promise<[number, unknown]> => {
    const response = await app.inject({ method: 'POST', url, ...(payload !== undefined && { payload, headers: { 'content-type': type } }) })
    return [response.statusCode, response.json()]
  }
  t.same(await post('/counted', '{"count":"5","more":1}'), [200, { body: { count: 5 } }], 'coercion and removal as ever')
  t.match(await post('/counted', '{}'), [400, { mine: /count/ }])
  t.match(await post('/plain', '{'), [400, { mine: String }])
  t.match(await post('/plain', ''), [400, { mine: /empty/ }], 'an empty JSON body is an error there')
  t.same(await post('/plain', undefined), [200, { body: null }])
  t.same(await post('/plain', 'hello', 'text/plain'), [200, { body: { text: 'hello' } }])
  t.match(await post('/plain', '<a/>', 'text/xml'), [415, { mine: String }])
  t.same(await post('/plain', `"${'x'.repeat(200_000)}"`), [200, { body: 'x'.repeat(200_000) }], 'the limit is the one of the host')
  t.same((await app.inject('/failing')).json(), { mine: 'mine' })
  t.same((await app.inject('/shaped')).json(), { a: '1' })
  t.match((await app.inject('/unknown')).json(), { statusCode: 404, message: 'Route GET:/unknown not found' })
})

t.test('two databases are served by two registrations in scopes of their own', async t => {
  const folder = testFolder(t)
  const app = Fastify({ logger: { level: 'silent' } })
  t.teardown(async () => { await app.close() })
  for (const name of ['one', 'two']) {
    makeDatabase(join(folder, `${name}.db`)).close()
    await app.register(async (scope: FastifyInstance) => { await scope.register(snapshots, { database: join(folder, `${name}.db`), auth: false, schedule: {}, probeStorage: false }) }, { prefix: `/${name}` })
  }
  for (const name of ['one', 'two']) {
    t.match((await app.inject({ method: 'POST', url: `/${name}/snapshots`, payload: { name: 'same-name' } })).json(), { name: 'same-name', database: name, status: 'COMPLETED' })
    t.equal((await app.inject(`/${name}/health`)).json().database, name)
  }
  t.equal((await app.inject('/one/snapshots')).json().snapshots.length, 1)
})

const WRONG: Array<[option: string, options: Record<string, unknown>]> = [
  ['database', { database: '' }],
  ['database', { database: 'postgresql://localhost/app' }],
  ['database', { database: ':memory:' }],
  ['database', { database: 5 }],
  ['databaseName', { databaseName: 'My App' }],
  ['snapshotDir', { snapshotDir: '/dev/null/backups' }],
  ['recoveryDir', { recoveryDir: 5 }],
  ['compressionLevel', { compressionLevel: 20 }],
  ['lockTimeout', { lockTimeout: -1 }],
  ['storage', { storage: 'local' }],
  ['prefix', { prefix: 'snapshots' }],
  ['prefix', { prefix: '/' }],
  ['health.path', { health: { path: 'health' } }],
  ['health', { health: true }],
  ['metrics.role', { metrics: { role: 'root' } }],
  ['metrics.paths', { metrics: { paths: '/metrics' } }],
  ['auth.admin', { auth: { admin: 'short' } }],
  ['schedules', { schedules: false }]
]
for (const [option, options] of WRONG) {
  t.test(`the registration with ${JSON.stringify(options)} is refused, naming ${option}, and makes nothing`, async t => {
    const path = databaseIn(t)
    await t.rejects(customHost(t, path, { plugin: options as SnapshotsPluginOptions }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: new RegExp(`"${option.replace('.', '\\.')}"`) })
    t.same(readdirSync(join(path, '..')), ['app.db'])
  })
}

t.test('a registration that is refused for its schedule makes nothing either', async t => {
  const path = databaseIn(t)
  await t.rejects(customHost(t, path, { plugin: { schedule: { snapshots: 'never' } } }), { code: 'FST_SNAPSHOT_INVALID_OPTION' })
  t.same(readdirSync(join(path, '..')), ['app.db'])
})

const CRONS: Array<[option: string, schedule: object, value: string]> = [
  ['"schedule.snapshots" (SNAPSHOT_CRON_SCHEDULE)', { snapshots: 'every day' }, 'every day'],
  ['"schedule.integrity"', { integrity: '61 * * * *' }, '61 * * * *']
]
for (const [option, schedule, value] of CRONS) {
  t.test(`the cron expression ${value} is refused in one sentence with an example`, async t => {
    const error = await customHost(t, databaseIn(t), { plugin: { schedule } }).catch((error: Error) => error)
    t.match(error, { code: 'FST_SNAPSHOT_INVALID_OPTION', message: `Invalid option: ${option}: "${value}" is no cron expression; write one such as "0 */6 * * *" (every six hours), or "off"`, cause: Error })
  })
}

t.test('a wrong SNAPSHOT_CRON_SCHEDULE is named', async t => {
  t.intercept(process, 'env', { value: { ...process.env, SNAPSHOT_CRON_SCHEDULE: 'sometimes' } })
  await t.rejects(customHost(t, databaseIn(t), { plugin: { schedule: {} } }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /\(SNAPSHOT_CRON_SCHEDULE\): "sometimes" is no cron expression/ })
})

t.test('a second registration in one scope is refused and makes nothing, one in a scope within works', async t => {
  const path = databaseIn(t)
  const second = join(path, '..', 'second', 'app.db')
  mkdirSync(join(second, '..'))
  makeDatabase(second).close()
  const options: SnapshotsPluginOptions = { database: second, auth: false, schedule: false, probeStorage: false }
  await t.rejects(customHost(t, path, { async after (app) { await app.register(snapshots, { ...options, prefix: '/second' }) } }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"namespace": this Fastify scope has its app.snapshots already; give each registration a namespace/ })
  t.same(readdirSync(join(second, '..')), ['app.db'])
  const { app } = await customHost(t, path, { async after (app) { await app.register(async scope => { await scope.register(snapshots, options) }, { prefix: '/second' }) } })
  t.equal((await app.inject('/second/snapshots')).statusCode, 200)
})

t.test('without a database, in the options and in the environment, the registration is refused', async t => {
  const { DATABASE_URL, ...env } = process.env
  t.intercept(process, 'env', { value: env })
  const app = Fastify({ logger: { level: 'silent' } })
  t.teardown(async () => { await app.close() })
  await t.rejects(Promise.resolve(app.register(snapshots, { auth: false })), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"database" is missing.*DATABASE_URL/ })
})

t.test('an application can be closed and started again on the same folders', async t => {
  const path = databaseIn(t)
  const first = await customHost(t, path)
  await first.request('POST', '/snapshots', { name: 'first' })
  await first.app.close()
  await t.rejects(first.app.snapshots.createSnapshot('late'), 'a closed one takes no orders')
  const second = await customHost(t, path)
  t.match((await second.request('GET', '/snapshots')).json().snapshots, [{ name: 'first' }])
  rmSync(path)
  t.equal((await second.request('POST', '/snapshots/first/restore')).statusCode, 200)
})
