import Fastify, { type FastifyInstance } from 'fastify'
import fastifyMetrics from 'fastify-metrics'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { AggregatorRegistry, Registry } from 'prom-client'
import t, { type Test } from 'tap'
import type { SnapshotsPluginOptions, SnapshotWriter } from '../src/index.ts'
import { Health } from '../src/schemas/responses.ts'
import { makeDatabase } from './helpers/databases.ts'
import { fitsSchema } from './helpers/fits-schema.ts'
import { testFolder } from './helpers/folder.ts'
import { samplesOf } from './helpers/prometheus.ts'
import { underTest } from './helpers/under-test.ts'

const TOKEN = 'admin-token-for-tests'
const admin = { authorization: `Bearer ${TOKEN}` }

/** An application with a database, and a registration, for each namespace. */
async function hostWith (t: Test, namespaces: Record<string, SnapshotsPluginOptions>): Promise<{ app: FastifyInstance, folder: string, writers: Record<string, SnapshotWriter> }> {
  const folder = testFolder(t)
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  for (const [namespace, options] of Object.entries(namespaces)) {
    const path = join(folder, namespace, 'app.db')
    if (!existsSync(path)) {
      mkdirSync(join(folder, namespace))
      makeDatabase(path).close()
    }
    await app.register(underTest.snapshots, { namespace, database: path, auth: { admin: TOKEN }, schedule: false, probeStorage: false, ...options })
  }
  await app.ready()
  return { app, folder, writers: app.snapshots as unknown as Record<string, SnapshotWriter> }
}

t.test('each namespace has its writer, its routes and its label', async t => {
  const { app, writers } = await hostWith(t, { orders: {}, users: {} })
  await writers.orders!.createSnapshot('a')
  t.equal((await app.inject({ method: 'POST', url: '/snapshots/users', headers: admin, payload: { name: 'b' } })).statusCode, 201)
  t.match((await app.inject({ url: '/snapshots/orders', headers: admin })).json(), { snapshots: [{ name: 'a', database: 'orders' }] })
  t.match((await writers.users!.listSnapshots()).snapshots, [{ name: 'b', database: 'users' }])
  const samples = samplesOf((await app.inject('/metrics')).body)
  for (const database of ['orders', 'users']) t.equal(samples.get(`snapshot_creations_total{database="${database}"}`), 1)
})

t.test('health is that of the database that is worst off, with all of them for a viewer', async t => {
  const { app, folder, writers } = await hostWith(t, { orders: {}, users: {} })
  t.same((await app.inject('/health')).json(), { status: 'ok', database: 'orders' })
  renameSync(join(folder, 'users', 'app.db'), join(folder, 'users', 'away.db'))
  await writers.users!.createSnapshot().catch(() => {})
  t.same((await app.inject('/health')).json(), { status: 'degraded', database: 'users' })
  await writers.users!.recovery.validateDatabaseIntegrity()
  const health = await app.inject({ url: '/health', headers: admin })
  t.equal(health.statusCode, 503)
  t.match(health.json(), { status: 'unhealthy', database: 'users', databases: [{ status: 'ok', database: 'orders' }, { status: 'unhealthy', database: 'users' }] })
  fitsSchema(t, Health, health.json())
  t.equal((await app.inject('/health/live')).statusCode, 200)
})

t.test('of each database only its own viewers are told more', async t => {
  const { app, folder, writers } = await hostWith(t, { orders: { auth: { admin: 'token-for-orders' } }, users: { auth: { admin: 'token-for-users' } } })
  const health = async (token: string): Promise<object> => (await app.inject({ url: '/health', headers: { authorization: `Bearer ${token}` } })).json()
  renameSync(join(folder, 'users', 'app.db'), join(folder, 'users', 'away.db'))
  await writers.users!.recovery.validateDatabaseIntegrity()
  t.match(await health('token-for-users'), { status: 'unhealthy', database: 'users', reasons: [/was missing/], databases: [{ database: 'users' }] })
  const asOther = await health('token-for-orders')
  t.same(Object.keys(asOther).sort(), ['database', 'databases', 'status'])
  t.match(asOther, { status: 'unhealthy', database: 'users', databases: [{ status: 'ok', database: 'orders' }] })
  t.same(await health('token-of-nobody'), { status: 'unhealthy', database: 'users' })
})

t.test('metrics of one database are only where it wants them', async t => {
  const { app } = await hostWith(t, { open: {}, closed: { metrics: { path: '/closed', role: 'admin' } }, off: { metrics: false } })
  const { body } = await app.inject('/metrics')
  t.match(body, 'snapshot_creations_total{database="open"} 0')
  t.notMatch(body, /database="(closed|off)"/)
  t.equal((await app.inject('/closed')).statusCode, 401)
  const closed = (await app.inject({ url: '/closed', headers: admin })).body
  t.match(closed, 'snapshot_creations_total{database="closed"} 0')
  t.notMatch(closed, /database="open"/)
})

t.test('their routes can have paths of their own, or none', async t => {
  const { app } = await hostWith(t, { orders: { health: { path: '/health/orders' }, metrics: { path: '/metrics/orders' } }, users: { health: false, metrics: false } })
  t.same((await app.inject('/health/orders')).json(), { status: 'ok', database: 'orders' })
  t.equal((await app.inject('/health')).statusCode, 404)
  t.equal((await app.inject('/metrics/orders')).statusCode, 200)
})

t.test('what contradicts itself is refused', async t => {
  const refused = async (message: RegExp, namespaces: Record<string, SnapshotsPluginOptions>): Promise<void> => {
    await t.rejects(hostWith(t, namespaces), { code: 'FST_SNAPSHOT_INVALID_OPTION', message })
  }
  await refused(/"namespace": app.snapshots.one is there already/, { one: {}, two: { namespace: 'one' } })
  await refused(/"namespace": this Fastify scope has its app.snapshots already/, { one: { namespace: undefined as never }, two: {} })
  await refused(/"namespace": this Fastify scope has its app.snapshots.<namespace> already/, { one: {}, two: { namespace: undefined as never } })
  await refused(/"databaseName": another database in these metrics is called one/, { one: {}, two: { databaseName: 'one' } })
  await refused(/"metrics.role": the metrics of another database are at \/metrics, for everyone; give both the same role/, { one: {}, two: { metrics: { role: 'admin' } } })
  await refused(/"metrics.role": .*for admin; give/, { one: { metrics: { role: 'admin' } }, two: {} })
  await refused(/"metrics.registry": the metrics of another database are at \/metrics, of another registry/, { one: {}, two: { metrics: { registry: new Registry(), path: '/metrics' } } })
  await refused(/"namespace": it must be 1 to 64 lower-case letters/, { one: { namespace: 'One' } })
})

t.test("the metrics can be in the application's own registry, where nobody registers them twice", async t => {
  const registry = new Registry()
  const { app } = await hostWith(t, { orders: { metrics: { registry } }, users: { metrics: { registry } } })
  t.equal((await app.inject('/metrics')).statusCode, 404, 'the application shows it itself')
  const samples = samplesOf(await registry.metrics())
  for (const database of ['orders', 'users']) t.equal(samples.get(`snapshot_creations_total{database="${database}"}`), 0)
  const { app: other } = await hostWith(t, { orders: { metrics: { registry, path: '/own' }, databaseName: 'third' } })
  t.match((await other.inject('/own')).body, 'snapshot_creations_total{database="third"} 0')
  await app.close()
  registry.resetMetrics()
  t.notMatch(await registry.metrics(), /orders/)
  await other.close()
  t.same(registry.getMetricsAsArray(), [])
})

/** An application that has fastify-metrics, whose client of Prometheus is another one than ours. */
async function hostWithMetrics (t: Test): Promise<{ app: FastifyInstance, database: string }> {
  const app = Fastify()
  t.teardown(async () => { await app.close() }) // before the folder is removed
  const database = join(testFolder(t), 'app.db')
  makeDatabase(database).close()
  await app.register(fastifyMetrics.default, { endpoint: '/metrics', clearRegisterOnInit: true })
  return { app, database }
}

t.test('in a cluster, where every worker shows the whole, nothing is added up', async t => {
  const registry = new Registry()
  const { writers } = await hostWith(t, { orders: { metrics: { registry } } })
  await writers.orders!.createSnapshot()
  const worker = await registry.getMetricsAsJSON()
  const all = await AggregatorRegistry.aggregate([worker, structuredClone(worker)]).metrics()
  t.match(all, 'snapshot_creations_total{database="orders"} 1\n')
  t.match(all, 'snapshot_creation_duration_seconds_count{database="orders"} 1\n')
  t.match(all, /snapshot_last_created_timestamp\{database="orders"\} 1\d{9}\n/)
})

t.test('beside fastify-metrics they are in its registry', async t => {
  const { app, database } = await hostWithMetrics(t)
  await app.register(underTest.snapshots, { database, auth: false, schedule: false, metrics: { registry: app.metrics.client.register } })
  await app.snapshots.createSnapshot('a')
  const { body } = await app.inject('/metrics')
  t.match(body, 'snapshot_creations_total{database="app"} 1\n')
  t.match(body, /^process_cpu_seconds_total /m)
  t.match(body, 'snapshot_creation_duration_seconds_bucket{database="app",le="+Inf"} 1\n')
})

t.test('a route that the application has already is not taken, and the error says what to do', async t => {
  const { app, database } = await hostWithMetrics(t)
  await t.rejects(Promise.resolve(app.register(underTest.snapshots, { database, auth: false, schedule: false })), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"metrics.path": the application has a route \/metrics already; .*`metrics: \{ registry \}`/ })
  const other = Fastify()
  t.teardown(async () => { await other.close() })
  other.get('/health', async () => 'mine')
  await t.rejects(Promise.resolve(other.register(underTest.snapshots, { database, auth: false, schedule: false })), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"health.path": the application has a route \/health already; .*`health: false`/ })
})

t.test('a hundred databases in one application: one scrape shows them all', async t => {
  const { app } = await hostWith(t, Object.fromEntries(Array.from({ length: 100 }, (_, number) => [`tenant-${number}`, { schedule: {} }])))
  const samples = samplesOf((await app.inject('/metrics')).body)
  for (const number of [0, 50, 99]) t.equal(samples.get(`snapshot_creations_total{database="tenant-${number}"}`), 0)
  t.equal((await app.inject({ url: '/health', headers: admin })).json().databases.length, 100)
})
