import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Gauge, Registry } from 'prom-client'
import t, { type Test } from 'tap'
import type { MetricsSource } from '../../src/metrics/reading.ts'
import { SnapshotMetrics } from '../../src/metrics/snapshot-metrics.ts'
import { snapshotSettings } from '../../src/options.ts'
import { SnapshotContext } from '../../src/snapshots/context.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'

/** A database whose reads are counted. */
function countedSource (t: Test, name: string, reads: string[] = []): MetricsSource {
  const folder = join(t.testdirName, name)
  mkdirSync(folder)
  const database = join(folder, 'app.db')
  makeDatabase(database).close()
  const context = new SnapshotContext(snapshotSettings({ database, databaseName: name }))
  t.teardown(() => { context.catalog.close() })
  return { context, nextRuns: () => { reads.push(name); return new Map() } }
}

t.test('a scrape reads each database once, the next one again', async t => {
  testFolder(t)
  const metrics = new SnapshotMetrics()
  const reads: string[] = []
  for (const name of ['one', 'two']) metrics.add(countedSource(t, name, reads))
  const { text } = await metrics.text()
  t.match(text, /snapshot_creations_total\{database="one"\} 0\nsnapshot_creations_total\{database="two"\} 0\n/)
  t.same(reads, ['one', 'two'])
  await metrics.text()
  t.same(reads, ['one', 'two', 'one', 'two'])
})

t.test("an application's registry for OpenMetrics leaves ours as it is, and none of them is left there at the end", async t => {
  testFolder(t)
  const registry = new Registry()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
  const metrics = SnapshotMetrics.in(registry)
  const source = countedSource(t, 'one')
  metrics.add(source)
  t.match(await registry.metrics(), 'snapshot_creations_total{database="one"} 0\n')
  t.match((await metrics.text()).text, 'snapshot_creations_total{database="one"} 0\n')
  metrics.remove(source)
  t.same(registry.getMetricsAsArray(), [])
})

t.test('a database that is closed while others are read is left out', async t => {
  testFolder(t)
  const metrics = new SnapshotMetrics()
  const [one, two] = [countedSource(t, 'one'), countedSource(t, 'two')]
  for (const source of [one, two]) metrics.add(source)
  const scrape = metrics.text()
  setImmediate(() => {
    metrics.remove(two)
    two.context.catalog.close()
  })
  const { text } = await scrape
  t.match(text, 'snapshot_creations_total{database="one"} 0\n')
  t.notMatch(text, 'database="two"')
})

t.test('a registry that has one of the names keeps its own, and gets none of ours', async t => {
  testFolder(t)
  const registry = new Registry()
  const own = new Gauge({ name: 'snapshots', help: 'Those of a camera', registers: [registry] })
  const source = countedSource(t, 'one')
  const metrics = SnapshotMetrics.in(registry)
  t.throws(() => { metrics.add(source) }, /snapshots has already been registered/)
  metrics.remove(source)
  t.same(registry.getMetricsAsArray(), [own])
})
