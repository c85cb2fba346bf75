import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { SnapshotWriter } from '../../src/index.ts'
import { customHost, type CustomHost } from '../helpers/custom-host.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { VIEWER_TOKEN } from '../helpers/host.ts'

/** A host with routes of its own, registered before and after the plugin and in a scope. */
async function hostWithRoutes (t: Test, plugin = {}): Promise<CustomHost> {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const routes = (prefix: string) => (app: FastifyInstance): void => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const) app.route({ method, url: `${prefix}/notes`, handler: async () => 'done' })
  }
  return await customHost(t, path, {
    plugin,
    before: routes('/before'),
    after: async app => {
      routes('/after')(app)
      await app.register(async scope => { routes('/scope')(scope) })
    }
  })
}

t.test('while it is on, the host\'s routes that may change something answer 503, with the reason and when to try again', async t => {
  const { app, request } = await hostWithRoutes(t)
  const entered = await request('POST', '/snapshots/maintenance', { reason: 'Restoring' })
  t.equal(entered.statusCode, 200)
  t.match(entered.json(), { reason: 'Restoring', since: /^\d{4}-/ })
  for (const prefix of ['/before', '/after', '/scope']) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      const refused = await app.inject({ method, url: `${prefix}/notes` })
      t.equal(refused.statusCode, 503, `${method} ${prefix}`)
      t.equal(refused.headers['retry-after'], '30')
      t.match(refused.json(), { code: 'FST_SNAPSHOT_MAINTENANCE', message: /Restoring/ })
    }
    t.equal((await app.inject(`${prefix}/notes`)).body, 'done')
  }
  t.equal((await request('DELETE', '/snapshots/maintenance')).statusCode, 204)
  t.equal((await app.inject({ method: 'POST', url: '/after/notes' })).body, 'done')
})

t.test('the snapshot routes go on, and health says so', async t => {
  const { request, app } = await hostWithRoutes(t)
  await request('POST', '/snapshots/maintenance')
  t.equal((await request('POST', '/snapshots', { name: 'one' })).statusCode, 201)
  t.equal((await request('POST', '/snapshots/one/restore')).statusCode, 200)
  t.equal((await request('DELETE', '/snapshots/one')).statusCode, 204)
  t.match((await request('GET', '/health')).json(), { status: 'degraded', reasons: [/takes no changes since .*: Maintenance/], maintenance: { reason: 'Maintenance' } })
  t.same((await app.inject('/health')).json(), { status: 'degraded', database: 'app' })
})

t.test('what is no route is still none', async t => {
  const { app, request } = await hostWithRoutes(t)
  t.equal((await app.inject({ method: 'POST', url: '/nothing' })).statusCode, 404)
  await request('POST', '/snapshots/maintenance')
  t.equal((await app.inject('/nothing')).statusCode, 404)
  t.equal((await app.inject({ method: 'POST', url: '/nothing' })).statusCode, 503)
})

t.test('it survives a restart, and the reason may change meanwhile', async t => {
  const first = await hostWithRoutes(t)
  const { since } = (await first.request('POST', '/snapshots/maintenance', { reason: 'one' })).json()
  t.match((await first.request('POST', '/snapshots/maintenance', { reason: 'two' })).json(), { reason: 'two', since })
  await first.app.close()
  const { app, request } = await customHost(t, first.path, { plugin: { maintenance: { retryAfter: 7 } }, after (app) { app.post('/notes', async () => 'done') } })
  const refused = await app.inject({ method: 'POST', url: '/notes' })
  t.match(refused.json(), { statusCode: 503, message: /two/ })
  t.equal(refused.headers['retry-after'], '7')
  t.same(app.snapshots.maintenance.state, { reason: 'two', since })
  await app.snapshots.maintenance.exit()
  await app.snapshots.maintenance.exit()
  t.equal(app.snapshots.maintenance.state, null)
  t.match((await request('GET', '/health')).json(), { status: 'ok', maintenance: null })
})

t.test('only admins switch it, and a wrong reason is refused', async t => {
  const { app, request } = await hostWithRoutes(t)
  const headers = { authorization: `Bearer ${VIEWER_TOKEN}` }
  for (const method of ['POST', 'DELETE'] as const) t.equal((await app.inject({ method, url: '/snapshots/maintenance', headers })).statusCode, 403)
  for (const body of [{ reason: '' }, { reason: 'x'.repeat(257) }, { why: 'x' }]) t.equal((await request('POST', '/snapshots/maintenance', body)).statusCode, 400)
  await t.rejects(app.snapshots.maintenance.enter(''), { code: 'FST_SNAPSHOT_INVALID_REQUEST' })
  t.equal(app.snapshots.maintenance.state, null)
})

for (const duringRestores of [true, false]) {
  t.test(`during a restore, a restore of tables and a reset changes are ${duringRestores ? 'refused' : 'taken'}, with duringRestores ${duringRestores}`, async t => {
    const answers: LightMyRequestResponse[] = []
    const ask = async (): Promise<void> => {
      answers.push(await host.app.inject({ method: 'POST', url: '/after/notes' }))
      t.equal((await host.app.inject('/after/notes')).statusCode, 200)
    }
    const host = await hostWithRoutes(t, { maintenance: { duringRestores }, migrate: ask })
    await host.request('POST', '/snapshots', { name: 'one' })
    for (const [url, body] of [['one/restore', {}], ['one/restore-tables', { tables: ['items'] }], ['recovery/reset', { confirm: 'app' }]] as const) {
      t.equal((await host.request('POST', `/snapshots/${url}`, body)).statusCode, 200)
      t.equal((await host.app.inject({ method: 'POST', url: '/after/notes' })).statusCode, 200, 'afterwards they are taken')
    }
    t.equal(answers.length, 3)
    for (const answer of answers) {
      t.equal(answer.statusCode, duringRestores ? 503 : 200)
      if (duringRestores) t.match(answer.json(), { code: 'FST_SNAPSHOT_MAINTENANCE', message: /A backup is being restored/ })
    }
  })
}

t.test('a restore that another process makes counts as well', async t => {
  let status = 0
  const host = await hostWithRoutes(t, { maintenance: { duringRestores: true } })
  const other = new SnapshotWriter({ database: host.path, migrate: async () => { status = (await host.app.inject({ method: 'POST', url: '/after/notes' })).statusCode } })
  t.teardown(async () => { await other.close() })
  await other.createSnapshot('one')
  await other.restoreFromSnapshot('one')
  t.equal(status, 503)
})
