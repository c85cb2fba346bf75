import { execFileSync } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalStorage } from '../../src/index.ts'
import { customHost, type CustomHost } from '../helpers/custom-host.ts'
import { damageDatabase } from '../helpers/damage.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'
import { startHost, VIEWER_TOKEN, type Host } from '../helpers/host.ts'
import { samplesOf } from '../helpers/prometheus.ts'
import { unlessInstalled } from '../helpers/requirements.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const SERIES = [
  'snapshot_creations_total{database="app"}',
  'snapshot_creation_failures_total{database="app"}',
  'snapshot_last_created_timestamp{database="app"}',
  'snapshot_size_bytes{database="app"}',
  'snapshot_stored_bytes{database="app"}',
  'snapshot_restores_total{database="app",outcome="success"}',
  'snapshot_restores_total{database="app",outcome="failed"}',
  'snapshot_restores_total{database="app",outcome="rolled_back"}',
  'snapshot_replicas_pending{database="app",storage="local"}',
  'snapshot_storage_up{database="app",storage="local"}',
  'database_integrity_healthy{database="app"}',
  'database_integrity_last_checked_timestamp{database="app"}',
  'snapshot_creation_duration_seconds_sum{database="app"}',
  'snapshot_creation_duration_seconds_count{database="app"}',
  'snapshot_restore_duration_seconds_sum{database="app"}',
  'snapshot_restore_duration_seconds_count{database="app"}'
]

/** What is free changes by itself. */
const withoutDisk = (samples: Map<string, number>): Map<string, number> => new Map([...samples].filter(([series]) => !series.startsWith('snapshot_disk_free_bytes')))
const scrape = async ({ app }: Pick<Host, 'app'>, url = '/metrics'): Promise<Map<string, number>> => samplesOf((await app.inject(url)).body)
const valueOf = (samples: Map<string, number>, name: string, labels = ''): number | undefined => samples.get(`${name}{database="app"${labels}}`)

async function hostOn (t: Test): Promise<{ path: string, open: () => Promise<CustomHost> }> {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  return { path, open: async () => await customHost(t, path) }
}

t.test('every metric is there at the first scrape, with the label database', async t => {
  const { app } = await startHost(t)
  const response = await app.inject('/metrics')
  t.equal(response.statusCode, 200)
  t.match(response.headers['content-type'], /^text\/plain; version=0\.0\.4; charset=utf-8$/)
  const samples = samplesOf(response.body)
  for (const series of SERIES) t.ok(samples.has(series), series)
  for (const series of samples.keys()) t.match(series, /\{(le="[^"]+",)?database="app"[,}]|,database="app"\}/, series)
  const values = Object.fromEntries(SERIES.map(series => [series, samples.get(series)]))
  t.same(values, { ...Object.fromEntries(SERIES.map(series => [series, 0])), 'database_integrity_healthy{database="app"}': NaN, 'snapshot_storage_up{database="app",storage="local"}': NaN })
})

t.test('each storage has metrics: whether it works, and what is still to be copied there', async t => {
  const remote = new RemoteStorage(testFolder(t), 'offsite')
  const host = await startHost(t, { storage: [new LocalStorage(join(t.testdirName, 'local')), remote] })
  const read = async (): Promise<Array<number | undefined>> => {
    const samples = await scrape(host)
    return ['snapshot_storage_up', 'snapshot_replicas_pending'].flatMap(name => ['local', 'offsite'].map(storage => samples.get(`${name}{database="app",storage="${storage}"}`)))
  }
  remote.isDown = true
  await host.request('POST', '/snapshots')
  await waitUntil('the failure shows', async () => (await read())[1] === 0)
  t.same(await read(), [1, 0, 0, 1])
  remote.isDown = false
  await host.app.snapshots.completeReplicas()
  t.same(await read(), [1, 1, 0, 0])
})

t.test('the three metrics of the runbook have exactly these names and types', async t => {
  const { app } = await startHost(t)
  const { body } = await app.inject('/metrics')
  for (const [name, type, first] of [['snapshot_creation_failures_total', 'counter', '0'], ['snapshot_last_created_timestamp', 'gauge', '0'], ['database_integrity_healthy', 'gauge', 'Nan']] as const) {
    t.match(body, new RegExp(`^# HELP ${name} \\S`, 'm'))
    t.match(body, `# TYPE ${name} ${type}\n${name}{database="app"} ${first}\n`)
  }
})

t.test('the label is the name of the database', async t => {
  const { app } = await startHost(t, { databaseName: 'orders' })
  t.match((await app.inject('/metrics')).body, 'snapshot_creation_failures_total{database="orders"} 0\n')
})

t.test('creations are counted, timed and dated', async t => {
  const host = await startHost(t)
  const one = (await host.request('POST', '/snapshots', { name: 'one' })).json()
  const two = (await host.request('POST', '/snapshots', { name: 'two' })).json()
  const samples = await scrape(host)
  t.equal(valueOf(samples, 'snapshot_creations_total'), 2)
  t.equal(valueOf(samples, 'snapshot_creation_failures_total'), 0)
  t.equal(valueOf(samples, 'snapshot_last_created_timestamp'), Math.floor(Date.parse(two.createdAt) / 1000))
  t.equal(valueOf(samples, 'snapshot_size_bytes'), two.size)
  t.equal(valueOf(samples, 'snapshot_stored_bytes'), two.storedSize)
  t.equal(valueOf(samples, 'snapshot_creation_duration_seconds_count'), 2)
  t.equal(Math.round((valueOf(samples, 'snapshot_creation_duration_seconds_sum') ?? 0) * 1000), one.durationMs + two.durationMs)
})

t.test('failed creations are counted, and leave the time of the last good one', async t => {
  const host = await startHost(t)
  const { createdAt } = (await host.request('POST', '/snapshots')).json()
  renameSync(host.path, `${host.path}.away`)
  await host.request('POST', '/snapshots')
  await host.request('POST', '/snapshots')
  const samples = await scrape(host)
  t.equal(valueOf(samples, 'snapshot_creations_total'), 3)
  t.equal(valueOf(samples, 'snapshot_creation_failures_total'), 2)
  t.equal(valueOf(samples, 'snapshot_last_created_timestamp'), Math.floor(Date.parse(createdAt) / 1000))
  t.equal(valueOf(samples, 'snapshot_creation_duration_seconds_count'), 1)
})

t.test('requests that are refused are no failures of creation', async t => {
  const host = await startHost(t)
  await host.request('POST', '/snapshots', { name: 'one' })
  await host.request('POST', '/snapshots', { name: 'one' })
  await host.request('POST', '/snapshots', { name: '../one' })
  t.equal(valueOf(await scrape(host), 'snapshot_creation_failures_total'), 0)
})

t.test('a storage that fails from the start is counted as failed creations', async t => {
  const { path } = await hostOn(t)
  const down = async (): Promise<never> => { throw new Error('the bucket cannot be reached') }
  const host = await customHost(t, path, { plugin: { storage: { name: 'down', put: down, get: down, head: down, list: () => ({ [Symbol.asyncIterator]: () => ({ next: down }) }), delete: down, removePartialWrites: down } as never } })
  t.match((await host.request('POST', '/snapshots')).json(), { statusCode: 500, message: /the bucket cannot be reached/ })
  t.equal(valueOf(await scrape(host), 'snapshot_creation_failures_total'), 1)
})

t.test('restores are counted by outcome and the successful ones timed', async t => {
  const host = await startHost(t)
  await host.request('POST', '/snapshots', { name: 'one' })
  const { durationMs } = (await host.request('POST', '/snapshots/one/restore')).json()
  rmSync(join(host.folder, 'backups', 'app'), { recursive: true })
  t.equal((await host.request('POST', '/snapshots/one/restore')).statusCode, 422)
  const samples = await scrape(host)
  t.equal(valueOf(samples, 'snapshot_restores_total', ',outcome="success"'), 1)
  t.equal(valueOf(samples, 'snapshot_restores_total', ',outcome="failed"'), 1)
  t.equal(valueOf(samples, 'snapshot_restores_total', ',outcome="rolled_back"'), 0)
  t.equal(valueOf(samples, 'snapshot_restore_duration_seconds_count'), 1)
  t.equal(valueOf(samples, 'snapshot_restore_duration_seconds_sum'), durationMs / 1000)
})

t.test('database_integrity_healthy is NaN before the first check, then 1 or 0', async t => {
  const host = await startHost(t)
  t.ok(Number.isNaN(valueOf(await scrape(host), 'database_integrity_healthy')))
  const { checkedAt } = (await host.request('POST', '/snapshots/integrity')).json()
  const samples = await scrape(host)
  t.equal(valueOf(samples, 'database_integrity_healthy'), 1)
  t.equal(valueOf(samples, 'database_integrity_last_checked_timestamp'), Math.floor(Date.parse(checkedAt) / 1000))
  damageDatabase(host.path)
  await host.request('POST', '/snapshots/integrity')
  t.equal(valueOf(await scrape(host), 'database_integrity_healthy'), 0)
})

t.test('with a schedule, the first check comes by itself', async t => {
  const host = await startHost(t, { schedule: { snapshots: false } })
  await waitUntil('the database has been checked', async () => valueOf(await scrape(host), 'database_integrity_healthy') === 1)
})

t.test('the values are kept over a restart', async t => {
  const { open } = await hostOn(t)
  const first = await open()
  await first.request('POST', '/snapshots', { name: 'one' })
  await first.request('POST', '/snapshots/one/restore')
  await first.request('POST', '/snapshots/integrity')
  const before = await scrape(first)
  await first.app.close()
  const second = await open()
  t.same(withoutDisk(await scrape(second)), withoutDisk(before))
  await second.request('POST', '/snapshots', { name: 'two' })
  t.equal(valueOf(await scrape(second), 'snapshot_creations_total'), 2)
})

t.test('two processes on one folder show the same values', async t => {
  const { open } = await hostOn(t)
  const [one, two] = [await open(), await open()]
  await one.request('POST', '/snapshots')
  await two.request('POST', '/snapshots')
  t.equal(valueOf(await scrape(one), 'snapshot_creations_total'), 2)
  t.same(withoutDisk(await scrape(two)), withoutDisk(await scrape(one)))
})

t.test('snapshot_last_created_timestamp survives the deletion of the snapshot', async t => {
  const host = await startHost(t)
  await host.request('POST', '/snapshots', { name: 'one' })
  const before = valueOf(await scrape(host), 'snapshot_last_created_timestamp')
  await host.request('DELETE', '/snapshots/one')
  t.ok(before)
  t.equal(valueOf(await scrape(host), 'snapshot_last_created_timestamp'), before)
})

t.test('the histograms are cumulative and end with +Inf, which is the count', async t => {
  const host = await startHost(t)
  await host.request('POST', '/snapshots', { name: 'one' })
  await host.request('POST', '/snapshots/one/restore')
  const { body } = await host.app.inject('/metrics')
  for (const name of ['snapshot_creation_duration_seconds', 'snapshot_restore_duration_seconds']) {
    t.match(body, `# TYPE ${name} histogram\n`)
    const samples = [...samplesOf(body)].filter(([series]) => series.startsWith(name))
    const buckets = samples.filter(([series]) => series.startsWith(`${name}_bucket{`)).map(([series, value]) => ({ bound: /le="([^"]+)"/.exec(series)?.[1] ?? '', value }))
    const bounds = buckets.map(({ bound }) => bound === '+Inf' ? Infinity : Number(bound))
    t.same(bounds, bounds.toSorted((a, b) => a - b), 'the bounds rise')
    t.equal(bounds.at(-1), Infinity)
    t.ok(bounds.length > 5)
    for (const [index, { value }] of buckets.entries()) t.ok(index === 0 || value >= (buckets[index - 1]?.value ?? NaN), 'the values rise')
    const [sum, count] = [valueOf(new Map(samples), `${name}_sum`) ?? NaN, valueOf(new Map(samples), `${name}_count`)]
    t.equal(count, 1)
    t.equal(buckets.at(-1)?.value, count)
    for (const [index, { value }] of buckets.entries()) t.equal(value, sum <= (bounds[index] ?? NaN) ? 1 : 0, `the bucket up to ${String(bounds[index])}`)
  }
})

t.test('every HELP and TYPE comes once and before its samples', async t => {
  const { app } = await startHost(t, { schedule: { snapshots: '0 0 1 1 *', integrity: false } })
  const lines = (await app.inject('/metrics')).body.split('\n')
  const names = lines.filter(line => line.startsWith('# TYPE ')).map(line => line.split(' ')[2] ?? '')
  t.equal(new Set(names).size, names.length)
  for (const name of names) {
    const [help, type, sample] = [lines.findIndex(line => line.startsWith(`# HELP ${name} `)), lines.findIndex(line => line.startsWith(`# TYPE ${name} `)), lines.findIndex(line => line.startsWith(name))]
    t.ok(help !== -1 && help < type && type < sample, name)
  }
})

t.test('the metrics are open to everyone, and closed by metrics.role', async t => {
  const { app } = await startHost(t)
  t.equal((await app.inject('/metrics')).statusCode, 200)
  for (const [role, viewerStatus] of [['viewer', 200], ['admin', 403]] as const) {
    t.test(`role ${role}`, async t => {
      const { app, request } = await startHost(t, { metrics: { role } })
      const refused = await app.inject('/metrics')
      t.equal(refused.statusCode, 401)
      t.match(refused.json(), { code: 'FST_SNAPSHOT_UNAUTHORIZED' })
      t.notMatch(refused.body, /snapshot_creations_total/)
      t.equal((await app.inject({ url: '/metrics', headers: { authorization: `Bearer ${VIEWER_TOKEN}` } })).statusCode, viewerStatus)
      t.equal((await request('GET', '/metrics')).statusCode, 200)
    })
  }
})

t.test('the metrics can be moved', async t => {
  const host = await startHost(t, { metrics: { path: '/internal/snapshot-metrics' } })
  t.ok((await scrape(host, '/internal/snapshot-metrics')).has('snapshot_creations_total{database="app"}'))
  t.equal((await host.app.inject('/metrics')).statusCode, 404)
})

t.test("the metrics can be switched off, and the host's own stay", async t => {
  const { path } = await hostOn(t)
  const { app } = await customHost(t, path, { plugin: { metrics: false }, after (app) { app.get('/metrics', async () => 'mine 1') } })
  t.equal((await app.inject('/metrics')).body, 'mine 1')
})

t.test('promtool finds nothing to complain about', { skip: unlessInstalled('promtool') }, async t => {
  const host = await startHost(t)
  await host.request('POST', '/snapshots', { name: 'one' })
  await host.request('POST', '/snapshots/one/restore')
  t.equal(execFileSync('promtool', ['check', 'metrics'], { input: (await host.app.inject('/metrics')).body, encoding: 'utf8' }), '')
})
