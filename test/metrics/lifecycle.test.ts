import Database from 'better-sqlite3'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { flipBit } from '../helpers/damage.ts'
import { startHost, type Host } from '../helpers/host.ts'
import { samplesOf } from '../helpers/prometheus.ts'
import { packsIn } from '../helpers/sharing.ts'

const scrape = async ({ app }: Pick<Host, 'app'>): Promise<(series: string) => number | undefined> => {
  const samples = samplesOf((await app.inject('/metrics')).body)
  return series => samples.get(series.includes('{') ? series.replace('{', '{database="app",') : `${series}{database="app"}`)
}

t.test('snapshots are counted by status, and what they take in each storage is added up', async t => {
  const host = await startHost(t)
  const one = (await host.request('POST', '/snapshots', { name: 'one' })).json()
  const two = (await host.request('POST', '/snapshots', { name: 'two', full: true })).json()
  await host.request('POST', '/snapshots/one/restore')
  rmSync(host.path)
  await host.request('POST', '/snapshots')
  const value = await scrape(host)
  t.same(['CREATING', 'COMPLETED', 'SUCCESS', 'FAILED'].map(status => value(`snapshots{status="${status}"}`)), [0, 1, 1, 1])
  t.equal(value('snapshot_storage_used_bytes{storage="local"}'), one.storedSize + two.storedSize)
  t.equal(value('snapshot_oldest_timestamp'), Math.floor(Date.parse(one.createdAt) / 1000))
  t.ok(Number(value('snapshot_disk_free_bytes')) > 0)
  await host.request('DELETE', '/snapshots/one')
  const after = await scrape(host)
  t.equal(after('snapshot_storage_used_bytes{storage="local"}'), two.storedSize)
  t.equal(after('snapshots{status="SUCCESS"}'), 0)
})

t.test('what deleted snapshots have left as others share it still takes its room', async t => {
  const host = await startHost(t)
  const one = (await host.request('POST', '/snapshots', { name: 'one' })).json()
  new Database(host.path).exec("INSERT INTO items (text) VALUES ('more')").close()
  const two = (await host.request('POST', '/snapshots', { name: 'two' })).json()
  await host.request('DELETE', '/snapshots/one')
  const value = await scrape(host)
  t.equal(value('snapshot_storage_used_bytes{storage="local"}'), one.storedSize + two.storedSize)
})

t.test('verifications and drills show when they were, and how they ended', async t => {
  const host = await startHost(t)
  await host.request('POST', '/snapshots', { name: 'one' })
  const before = await scrape(host)
  t.same(['snapshot_last_verified_timestamp', 'snapshot_verification_failures_total', 'snapshot_last_drill_timestamp', 'snapshot_last_drill_success', 'snapshot_drill_duration_seconds'].map(before), [0, 0, 0, NaN, 0])
  const { checkedAt } = (await host.request('POST', '/snapshots/one/verify')).json()
  const { startedAt, durationMs } = (await host.request('POST', '/snapshots/drills')).json()
  const value = await scrape(host)
  t.equal(value('snapshot_last_verified_timestamp'), Math.floor(Date.parse(checkedAt) / 1000))
  t.equal(value('snapshot_last_drill_timestamp'), Math.floor(Date.parse(startedAt) / 1000))
  t.equal(value('snapshot_drill_duration_seconds'), durationMs / 1000)
  t.equal(value('snapshot_last_drill_success'), 1)
  for (const pack of packsIn(host.snapshotDir)) flipBit(pack, 0.3)
  await host.request('POST', '/snapshots/one/verify')
  await host.request('POST', '/snapshots/drills', { snapshot: 'one' })
  const after = await scrape(host)
  t.equal(after('snapshot_verification_failures_total'), 1)
  t.equal(after('snapshot_last_verified_timestamp'), Math.floor(Date.parse(checkedAt) / 1000), 'as before')
  t.equal(after('snapshot_last_drill_success'), 0)
})

t.test('the schedule shows when each job runs next, in any process the same', async t => {
  const host = await startHost(t, { schedule: { snapshots: '0 0 1 1 *', integrity: false, retention: '0 0 1 7 *', verify: '0 0 0 1 1 * 2020', drill: false, timezone: 'UTC' } })
  const value = await scrape(host)
  const year = new Date().getUTCFullYear() + 1
  t.equal(value('snapshot_next_run_timestamp{job="snapshots"}'), Date.UTC(year, 0, 1) / 1000)
  t.equal(value('snapshot_next_run_timestamp{job="verify"}'), 0, 'never again')
  t.equal(value('snapshot_next_run_timestamp{job="drill"}'), undefined)
})

t.test('an operation under way shows', async t => {
  const host = await startHost(t)
  await host.request('POST', '/snapshots', { name: 'one' })
  const catalog = new Database(join(host.snapshotDir, 'catalog.db'))
  catalog.exec("UPDATE snapshots SET status = 'CREATING'; INSERT INTO restores (id, database, snapshotId, snapshotName, status, requestedAt, kind) VALUES ('1', 'app', '', 'one', 'APPLYING', '2026-01-01', 'rollback')")
  const value = await scrape(host)
  t.same(['create', 'restore', 'tables', 'rollback', 'reset'].map(operation => value(`snapshot_operation_in_progress{operation="${operation}"}`)), [1, 0, 0, 1, 0])
  catalog.exec("UPDATE snapshots SET status = 'COMPLETED'; DELETE FROM restores")
  catalog.close()
})

t.test('a disk that cannot be asked shows NaN, and the rest is there', async t => {
  const host = await startHost(t)
  rmSync(host.snapshotDir, { recursive: true })
  t.same((await scrape(host))('snapshot_disk_free_bytes'), NaN)
})

t.test('who asks for OpenMetrics gets it', async t => {
  const host = await startHost(t)
  await host.request('POST', '/snapshots')
  const response = await host.app.inject({ url: '/metrics', headers: { accept: 'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5' } })
  t.match(response.headers['content-type'], /^application\/openmetrics-text; version=1\.0\.0; charset=utf-8$/)
  t.equal(response.headers.vary, 'Accept')
  t.match(response.body, /# TYPE snapshot_creations counter\n[^]*snapshot_creations_total\{database="app"\} 1\n[^]*\n# EOF\n$/)
})

t.test('who asks for OpenMetrics changes nothing for the others', async t => {
  const host = await startHost(t)
  const series = async (): Promise<string[]> => [...samplesOf((await host.app.inject('/metrics')).body).keys()]
  const before = await series()
  t.ok(before.includes('snapshot_creation_failures_total{database="app"}'))
  await host.app.inject({ url: '/metrics', headers: { accept: 'application/openmetrics-text' } })
  t.same(await series(), before)
})
