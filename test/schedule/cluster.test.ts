import Database from 'better-sqlite3'
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { samplesOf } from '../helpers/prometheus.ts'
import { waitUntil } from '../helpers/wait-until.ts'

interface Worker { pid: number, address: string }
interface Run { scheduledFor: string, claimedBy: number }

/** An application in four cluster workers with a schedule that ends when the test does. */
async function startCluster (t: Test, cron: string): Promise<{ workers: Worker[], runs: () => Run[], query: (sql: string) => unknown[] }> {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const primary = fork(new URL('../processes/cluster.ts', import.meta.url), [path, cron], { serialization: 'advanced' })
  t.teardown(async () => {
    primary.disconnect()
    await new Promise(resolve => { primary.once('exit', resolve) })
  })
  const workers: Worker[] = []
  primary.on('message', worker => { workers.push(worker as Worker) })
  await waitUntil('four workers are there', () => workers.length === 4)
  const catalog = new Database(join(t.testdirName, 'backups', 'catalog.db'), { readonly: true })
  t.teardown(() => { catalog.close() })
  const query = (sql: string): unknown[] => catalog.prepare(sql).all()
  return { workers, query, runs: () => query("SELECT scheduledFor, claimedBy FROM scheduledRuns WHERE job = 'snapshots' ORDER BY scheduledFor") as Run[] }
}

/** What a worker shows, but for what changes by itself. */
async function scrape ({ address }: Worker): Promise<Array<[string, number]>> {
  const samples = samplesOf(await (await fetch(`${address}/metrics`)).text())
  return [...samples].filter(([series]) => !/^snapshot_(disk_free_bytes|next_run_timestamp)/.test(series))
}

const secondsBetween = (runs: Run[]): number[] => runs.slice(1).map((run, index) => (Date.parse(run.scheduledFor) - Date.parse((runs[index] as Run).scheduledFor)) / 1000)
const HOW_MANY = 'SELECT count(*) AS count FROM snapshots'

t.test('four workers with a snapshot every second for a minute: one run for each second, and all show the same metrics', async t => {
  const { workers, runs, query } = await startCluster(t, '* * * * * *')
  await waitUntil('the first run', () => runs().length > 0)
  await sleep(60_000)
  const claimed = runs()
  t.ok(claimed.length >= 60, `${claimed.length} runs`)
  t.same(secondsBetween(claimed).filter(seconds => seconds !== 1), [], 'one for each second')
  t.ok(new Set(claimed.map(({ claimedBy }) => claimedBy)).size > 1, 'by several workers')
  await waitUntil('each run has its snapshot', () => (query(HOW_MANY)[0] as { count: number }).count >= runs().length)
  t.ok((query(HOW_MANY)[0] as { count: number }).count <= runs().length, 'and no more than one')
  t.same(query("SELECT error FROM snapshots WHERE status = 'FAILED'"), [])
  await waitUntil('all show the same', async () => {
    const [first, ...others] = await Promise.all(workers.map(scrape))
    return others.every(other => JSON.stringify(other) === JSON.stringify(first))
  })
})

t.test('when a worker is killed in its run, nobody does that run again, and the next one comes', async t => {
  const { workers, runs, query } = await startCluster(t, '*/2 * * * * *')
  const killed = await waitUntil('a worker is at it', () => {
    const [creating] = query("SELECT id FROM snapshots WHERE status = 'CREATING'")
    const last = runs().at(-1)
    if (creating === undefined || last === undefined) return false
    process.kill(last.claimedBy, 'SIGKILL')
    return last
  })
  await waitUntil('there are five more', () => runs().length >= runs().findIndex(({ scheduledFor }) => scheduledFor === killed.scheduledFor) + 6)
  const claimed = runs()
  t.equal(claimed.filter(({ scheduledFor }) => scheduledFor === killed.scheduledFor).length, 1)
  t.same(secondsBetween(claimed).filter(seconds => seconds !== 2), [], 'none is left out')
  await waitUntil('each other run has its snapshot', () => (query(`${HOW_MANY} WHERE status = 'COMPLETED' OR deletedAt IS NOT NULL`)[0] as { count: number }).count >= claimed.length - 1)
  t.match(query("SELECT status, error ->> 'code' AS code FROM snapshots WHERE status = 'FAILED'"), [{ code: 'FST_SNAPSHOT_INTERRUPTED' }])
  const left = workers.filter(({ pid }) => pid !== killed.claimedBy)
  t.equal(left.length, 3)
  await waitUntil('all show the same', async () => {
    const [first, ...others] = await Promise.all(left.map(scrape))
    return others.every(other => JSON.stringify(other) === JSON.stringify(first))
  })
})
