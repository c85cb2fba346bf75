import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LocalStorage } from '../../src/index.ts'
import { customHost } from '../helpers/custom-host.ts'
import { damageDatabase } from '../helpers/damage.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { fillDisk } from '../helpers/fill-disk.ts'
import { testFolder } from '../helpers/folder.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import { startHost, VIEWER_TOKEN } from '../helpers/host.ts'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.ts'

t.test('a host that has just started is ok, for everyone and without reasons', async t => {
  const { app } = await startHost(t)
  const response = await app.inject('/health')
  t.equal(response.statusCode, 200)
  t.match(response.headers['content-type'], /^application\/json/)
  t.same(response.json(), { status: 'ok', database: 'app' })
})

t.test('a viewer also sees the reasons, of which there are none', async t => {
  const { app, request } = await startHost(t)
  t.match((await request('GET', '/health')).json(), { status: 'ok', database: 'app', reasons: [] })
  t.match((await app.inject({ url: '/health', headers: { authorization: `Bearer ${VIEWER_TOKEN}` } })).json(), { status: 'ok', database: 'app', reasons: [] })
})

t.test('it stays ok after good snapshots and checks', async t => {
  const { app, request } = await startHost(t)
  await request('POST', '/snapshots')
  await request('POST', '/snapshots/integrity')
  t.equal((await app.inject('/health')).json().status, 'ok')
})

t.test('it is degraded after a snapshot has failed, and ok again after the next good one', async t => {
  const { app, request, path } = await startHost(t)
  rmSync(path)
  await request('POST', '/snapshots', { name: 'failed' })
  const response = await app.inject('/health')
  t.equal(response.statusCode, 200)
  t.same(response.json(), { status: 'degraded', database: 'app' })
  t.match((await request('GET', '/health')).json(), { status: 'degraded', reasons: [/^The last snapshot failed at \d{4}-.*Z: There is no database/] })
  makeDatabase(path).close()
  await request('POST', '/snapshots')
  t.match((await request('GET', '/health')).json(), { status: 'ok', database: 'app', reasons: [] })
})

t.test('it is unhealthy, 503, when the database is damaged, and ok again once it has been restored', async t => {
  const { app, request, path } = await startHost(t)
  await request('POST', '/snapshots', { name: 'good' })
  damageDatabase(path)
  t.equal((await app.inject('/health')).json().status, 'ok', 'nobody has looked yet')
  t.equal((await request('POST', '/snapshots/integrity')).json().isHealthy, false)
  const response = await app.inject('/health')
  t.equal(response.statusCode, 503)
  t.same(response.json(), { status: 'unhealthy', database: 'app' })
  const detailed = await request('GET', '/health')
  t.equal(detailed.statusCode, 503)
  t.match(detailed.json().reasons, [/^The database failed its integrity check at \d{4}-.*Z: /])
  await request('POST', '/snapshots/good/restore')
  t.match((await request('GET', '/health')).json(), { status: 'ok', database: 'app', reasons: [] })
})

t.test('it is unhealthy when a creation finds the damage', async t => {
  const { app, request, path } = await startHost(t)
  damageDatabase(path)
  t.equal((await request('POST', '/snapshots')).json().code, 'FST_SNAPSHOT_DATABASE_DAMAGED')
  t.equal((await app.inject('/health')).statusCode, 503)
})

t.test('it is unhealthy when the database is missing', async t => {
  const { app, request, path, log } = await startHost(t)
  rmSync(path)
  await request('POST', '/snapshots/integrity')
  t.equal((await app.inject('/health')).statusCode, 503)
  t.match((await request('GET', '/health')).json(), { status: 'unhealthy', database: 'app', reasons: [/^The database was missing at \d{4}-.*Z: There is no database at .*app\.db; restore a snapshot, or check DATABASE_URL/] })
  t.same(log.filter(({ level }) => level === 50).map(({ msg }) => msg), ['The database is missing'], 'and the log does not speak of a failed check')
})

const NO_DATABASES: Record<string, (path: string) => void> = { 'a folder': path => { mkdirSync(path) }, 'a text file': path => { writeFileSync(path, 'This is no database, as somebody gave a wrong path. '.repeat(100)) } }
for (const [what, make] of Object.entries(NO_DATABASES)) {
  t.test(`where the database is ${what}, the advice begins with the path`, async t => {
    const path = join(testFolder(t), 'app.db')
    make(path)
    const { request } = await customHost(t, path)
    const [error] = (await request('POST', '/snapshots/integrity')).json().errors as string[]
    t.match(error, /app\.db is not a SQLite database\. Check DATABASE_URL or the option "database"; if that path is right/)
    t.match((await request('GET', '/health')).json(), { status: 'unhealthy', reasons: [/Check DATABASE_URL/] })
  })
}

t.test('it is degraded while the disk of the catalog is full, and ok again once there is room', { skip: noSmallDisk }, async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const disk = mountSmallDisk(t, 4)
  const { request, app } = await customHost(t, path, { plugin: { snapshotDir: join(disk, 'backups') } })
  const giveBack = fillDisk(disk)
  await request('POST', '/snapshots/integrity')
  t.match((await request('GET', '/health')).json(), { status: 'degraded', reasons: [/catalog cannot be written/] })
  giveBack()
  t.match((await request('GET', '/health')).json(), { status: 'ok', database: 'app', reasons: [] })
  await app.close()
})

t.test('/health/live is ok whatever the database does', async t => {
  const { app, request, path } = await startHost(t)
  damageDatabase(path)
  await request('POST', '/snapshots/integrity')
  const response = await app.inject('/health/live')
  t.equal(response.statusCode, 200)
  t.same(response.json(), { status: 'ok' })
})

t.test('both routes can be moved', async t => {
  const { app } = await startHost(t, { health: { path: '/internal/snapshot-health' } })
  t.equal((await app.inject('/internal/snapshot-health')).json().status, 'ok')
  t.same((await app.inject('/internal/snapshot-health/live')).json(), { status: 'ok' })
  t.equal((await app.inject('/health')).statusCode, 404)
  t.equal((await app.inject('/health/live')).statusCode, 404)
})

t.test('both routes can be switched off, and the host can have its own', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const { app } = await customHost(t, path, { plugin: { health: false }, after (app) { app.get('/health', async () => 'mine') } })
  t.equal((await app.inject('/health')).body, 'mine')
  t.equal((await app.inject('/health/live')).statusCode, 404)
})

t.test('auth: false shows the reasons to everyone', async t => {
  const { app } = await startHost(t, { auth: false })
  t.match((await app.inject('/health')).json(), { status: 'ok', database: 'app', reasons: [] })
})

t.test('wrong credentials do not close it, they show no reasons', async t => {
  const { app } = await startHost(t)
  t.same((await app.inject({ url: '/health', headers: { authorization: 'Bearer wrong-token' } })).json(), { status: 'ok', database: 'app' })
})

t.test('a function for auth that throws does not close it, and shows no reasons', async t => {
  for (const auth of [() => { throw new Error('boom') }, async () => await Promise.reject(new Error('boom'))]) {
    const { app } = await startHost(t, { auth })
    const response = await app.inject('/health')
    t.equal(response.statusCode, 200)
    t.same(response.json(), { status: 'ok', database: 'app' })
    await app.close()
  }
})

for (const nonsense of [undefined, null, '', 'nobody', false, {}]) {
  t.test(`a function for auth that returns ${JSON.stringify(nonsense) ?? 'undefined'} shows no reasons`, async t => {
    const { app } = await startHost(t, { auth: () => nonsense as never })
    t.same((await app.inject('/health')).json(), { status: 'ok', database: 'app' })
  })
}

t.test('a viewer by a function of the host sees the reasons', async t => {
  const { app } = await startHost(t, { auth: async () => 'viewer' as const })
  t.same((await app.inject('/health')).json().reasons, [])
})

t.test('a viewer sees what was last heard of each storage, and it is degraded while one fails', async t => {
  const remote = new RemoteStorage(testFolder(t), 'offsite')
  const { app, request } = await startHost(t, { storage: [new LocalStorage(join(t.testdirName, 'local')), remote] })
  remote.isDown = true
  await request('POST', '/snapshots', { name: 'one' })
  await waitUntil('the failure shows', async () => (await request('GET', '/health')).json().status === 'degraded')
  t.same((await app.inject('/health')).json(), { status: 'degraded', database: 'app' }, 'others do not')
  t.match((await request('GET', '/health')).json(), {
    reasons: [/^Storage offsite failed at \d{4}-.*it is down/, /^Snapshots that are not in storage offsite yet: 1,/],
    storages: [{ storage: 'local', isUp: true, error: null, pending: 0, damaged: 0 }, { storage: 'offsite', isUp: false, error: { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' }, pending: 1, damaged: 0 }],
    sources: []
  })
  remote.isDown = false
  await app.snapshots.completeReplicas()
  t.match((await request('GET', '/health')).json(), { status: 'ok', storages: [{}, { isUp: true, error: null, pending: 0 }] })
})

t.test('storages are tried out at the start, and a failing one does not keep the host from starting', async t => {
  const remote = new RemoteStorage(testFolder(t), 'offsite')
  remote.isDown = true
  const { request } = await startHost(t, { storage: [new LocalStorage(join(t.testdirName, 'local')), remote], probeStorage: true })
  const isUp = async (): Promise<Array<boolean | null>> => (await request('GET', '/health')).json().storages.map((storage: { isUp: boolean }) => storage.isUp)
  await waitUntil('both were tried', async () => String(await isUp()) === 'true,false')
  remote.isDown = false
  await waitUntil('it is tried again', async () => String(await isUp()) === 'true,true')
  t.match(remote.puts, [/^app\/probes\//])
})

t.test('they are not where that is switched off', async t => {
  const remote = new RemoteStorage(testFolder(t), 'offsite')
  const { app } = await startHost(t, { storage: remote, probeStorage: false })
  await app.snapshots.completeReplicas()
  t.same(remote.puts, [])
})

t.test('health asks no storage', async t => {
  const remote = new RemoteStorage(testFolder(t), 'offsite')
  const { request, app } = await startHost(t, { storage: remote })
  await app.snapshots.completeReplicas()
  let asked = 0
  for (const method of ['put', 'get', 'head', 'list', 'delete'] as const) Object.assign(remote, { [method]: () => { asked++ } })
  await request('GET', '/health')
  t.equal(asked, 0)
})
