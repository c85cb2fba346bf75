import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startHost } from '../helpers/host.ts'
import { unlessInstalled } from '../helpers/requirements.ts'

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const ALERTS = pathOf('../../examples/monitoring/alerts.yml')
const CASES = pathOf('alerts.promtool.yml')
const alerts = readFileSync(ALERTS, 'utf8')
const namesIn = (text: string, key: RegExp): string[] => [...text.matchAll(key)].map(([, name]) => String(name))

const RUNBOOK = `      - alert: SnapshotCreationFailed
        expr: snapshot_creation_failures_total > 0
        for: 5m
        labels:
          severity: warning
        annotations:
          summary: "Snapshot creation has failed"

      - alert: NoRecentSnapshots
        expr: time() - snapshot_last_created_timestamp > 86400
        for: 1h
        labels:
          severity: critical
        annotations:
          summary: "No snapshots created in 24 hours"

      - alert: DatabaseIntegrityIssue
        expr: database_integrity_healthy == 0
        for: 0m
        labels:
          severity: critical
        annotations:
          summary: "Database integrity validation failed"
`

t.test('the three rules that operators know are there to the letter', async t => {
  t.ok(alerts.includes(RUNBOOK))
})

t.test('Prometheus takes the rules and the configuration', { skip: unlessInstalled('promtool') }, async t => {
  t.match(execFileSync('promtool', ['check', 'rules', ALERTS], { encoding: 'utf8' }), /SUCCESS: 20 rules found/)
  t.match(execFileSync('promtool', ['check', 'config', pathOf('../../examples/monitoring/prometheus.yml')], { encoding: 'utf8' }), /SUCCESS/)
})

t.test('each alert fires, does not fire and resolves as it should', { skip: unlessInstalled('promtool') }, async t => {
  const tested = namesIn(readFileSync(CASES, 'utf8'), /- name: (\w+)/g)
  t.same(tested, namesIn(alerts, /- alert: (\w+)/g), 'none is left out')
  t.match(execFileSync('promtool', ['test', 'rules', CASES], { encoding: 'utf8' }), /SUCCESS/)
})

t.test('alerts and dashboard ask for nothing that is not there', async t => {
  const { app } = await startHost(t, { schedule: { snapshots: '0 0 1 1 *', integrity: false } })
  const { body } = await app.inject('/metrics')
  const there = new Set(body.split('\n').filter(line => line !== '' && !line.startsWith('#')).map(line => /^\w+/.exec(line)?.[0]))
  const dashboard = JSON.parse(readFileSync(pathOf('../../examples/monitoring/dashboard.json'), 'utf8')) as { panels: Array<{ title: string, targets: Array<{ expr: string }> }> }
  const queries = [...namesIn(alerts, /expr: ([^|\n].*)/g), ...namesIn(alerts, /expr: \|\n((?: {10}.*\n)+)/g), ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))]
  t.ok(queries.length > 40)
  for (const query of queries) {
    const asked = query.match(/\b(snapshots?|database)(_\w+)?\b(?=[^=~"]*?[{)\s>[]|$)/g)?.filter(name => /^(snapshots$|snapshot_|database_)/.test(name)) ?? []
    t.ok(asked.length > 0, query)
    for (const name of asked) t.ok(there.has(name), `${name} in ${query}`)
  }
  const shown = queries.join(' ')
  for (const name of there) t.ok(shown.includes(String(name)) || /^snapshot_restore_duration_seconds_bucket$/.test(String(name)), `${String(name)} is shown`)
})
