import Database from 'better-sqlite3'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { damageDatabase } from '../helpers/damage.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { freePort, startExample } from '../helpers/example.ts'
import { testFolder } from '../helpers/folder.ts'
import { unlessInstalled } from '../helpers/requirements.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const TOKEN = 'admin-token-for-tests'

interface Alert { labels: { alertname: string }, state: string }

/** The rules with durations that a test can wait for: a day is eight seconds, an hour is twelve. */
function quick (rules: string): string {
  return rules.replaceAll(/for: \S+/g, 'for: 0s').replaceAll('86400', '8').replaceAll('[1h]', '[12s]').replaceAll(/\[1d\]|\[30d\]/g, '[20s]').replaceAll(/offset \w+/g, 'offset 12s')
}

/** A Prometheus that scrapes an application every half second. */
async function startPrometheus (t: Test, folder: string, target: string): Promise<{ firing: () => Promise<string[]>, ask: (query: string) => Promise<{ status: string }> }> {
  const examples = new URL('../../examples/monitoring/', import.meta.url)
  writeFileSync(join(folder, 'alerts.yml'), quick(readFileSync(new URL('alerts.yml', examples), 'utf8')))
  writeFileSync(join(folder, 'prometheus.yml'), readFileSync(new URL('prometheus.yml', examples), 'utf8').replaceAll('30s', '500ms').replace('127.0.0.1:5000', target))
  const address = `127.0.0.1:${await freePort()}`
  const server = spawn('prometheus', [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'tsdb')}`, `--web.listen-address=${address}`], { stdio: 'ignore' })
  const ended = once(server, 'exit')
  t.teardown(async () => {
    server.kill()
    await ended
  })
  const get = async (path: string): Promise<any> => await (await fetch(`http://${address}${path}`)).json()
  await waitUntil('Prometheus is ready', async () => await fetch(`http://${address}/-/ready`).then(({ ok }) => ok, () => false))
  return {
    ask: async query => await get(`/api/v1/query?query=${encodeURIComponent(query)}`),
    firing: async () => ((await get('/api/v1/alerts')).data.alerts as Alert[]).filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname)
  }
}

t.test('a real Prometheus sees the example fail, fires the alerts, and resolves them when all is well again', { skip: unlessInstalled('prometheus') }, async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path, { rows: 2000 }).close()
  const { url } = await startExample(t, folder, { DATABASE_URL: `file:${path}`, SNAPSHOT_ADMIN_TOKEN: TOKEN, SNAPSHOT_CRON_SCHEDULE: 'off' })
  const post = async (route: string, body: object = {}): Promise<Response> => await fetch(`${url}${route}`, { method: 'POST', headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })
  t.equal((await post('/snapshots', { name: 'good' })).status, 201)
  const { firing, ask } = await startPrometheus(t, folder, new URL(url).host)
  const fires = async (alert: string): Promise<void> => { t.ok(await waitUntil(`${alert} fires`, async () => (await firing()).includes(alert)), `${alert} fires`) }
  const resolves = async (alert: string): Promise<void> => { t.ok(await waitUntil(`${alert} resolves`, async () => !(await firing()).includes(alert)), `${alert} resolves`) }
  await waitUntil('it is scraped', async () => JSON.stringify(await ask('snapshot_creations_total')).includes('"app"'))
  t.notOk((await firing()).some(name => /^(SnapshotCreation|DatabaseIntegrity|SnapshotStorage)/.test(name)), 'nothing is wrong yet')

  await fires('NoRecentSnapshots')
  renameSync(path, `${path}.away`)
  t.equal((await post('/snapshots')).status, 500)
  await fires('SnapshotCreationFailed')
  await fires('SnapshotCreationsFailing')
  await fires('SnapshotSuccessRatioLow')
  renameSync(`${path}.away`, path)

  new Database(path).exec('PRAGMA wal_checkpoint(TRUNCATE)').close()
  damageDatabase(path)
  t.match(await (await post('/snapshots/integrity')).json(), { isHealthy: false })
  await fires('DatabaseIntegrityIssue')
  t.equal((await post('/snapshots/recovery/reset', { confirm: 'app' })).status, 200)
  await resolves('DatabaseIntegrityIssue')

  t.equal((await post('/snapshots')).status, 201)
  await resolves('NoRecentSnapshots')
  await resolves('SnapshotCreationsFailing')
  t.ok((await firing()).includes('SnapshotCreationFailed'), 'a counter never falls')

  const dashboard = JSON.parse(readFileSync(new URL('../../examples/monitoring/dashboard.json', import.meta.url), 'utf8')) as { panels: Array<{ title: string, targets: Array<{ expr: string }> }> }
  for (const { title, targets } of dashboard.panels) {
    for (const { expr } of targets) t.equal((await ask(expr.replaceAll('$database', '.*'))).status, 'success', title)
  }
})
