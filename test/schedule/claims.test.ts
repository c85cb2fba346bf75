import Database from 'better-sqlite3'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Catalog } from '../../src/catalog/catalog.ts'
import { claimRun, lastClaimed, releaseRun } from '../../src/catalog/scheduled-runs.ts'
import { Ticks } from '../../src/schedule/ticks.ts'
import { openCatalog } from '../helpers/catalogs.ts'
import { customHost } from '../helpers/custom-host.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const MINUTE_MS = 60_000
const hourly = new Ticks('0 * * * *', 'UTC')

/** The runs of a process that looks at its clock every minute, over some stretches of time. */
async function runsOver (t: Test, ...stretches: Array<[from: string, to: string]>): Promise<string[]> {
  const catalog = openCatalog(t)
  const runs: string[] = []
  for (const [from, to] of stretches) {
    for (let now = Date.parse(from); now <= Date.parse(to); now += MINUTE_MS) {
      const tick = hourly.last(new Date(now)) as Date
      if (await claimRun(catalog, 'app', 'snapshots', tick)) runs.push(tick.toISOString().slice(11, 16))
    }
  }
  return runs
}

t.test('each run is claimed once, whoever asks, for each database and each job', async t => {
  const folder = testFolder(t)
  const [one, other] = [openCatalog(t, folder), openCatalog(t, folder)]
  const tick = new Date('2020-11-23T12:00:00.000Z')
  t.equal(await claimRun(one, 'app', 'snapshots', tick), true)
  t.equal(await claimRun(other, 'app', 'snapshots', tick), false)
  t.equal(await claimRun(one, 'app', 'snapshots', tick), false)
  t.equal(await claimRun(other, 'app', 'drill', tick), true)
  t.equal(await claimRun(other, 'users', 'snapshots', tick), true)
  const later = new Date('2020-11-23T12:30:00.000Z')
  t.equal(lastClaimed(one, 'app', 'snapshots', later).getTime(), tick.getTime())
  t.equal(lastClaimed(one, 'app', 'verify', later).toISOString(), one.createdAt, 'before the first claim none was missed since the catalog was begun')
  await claimRun(one, 'app', 'snapshots', new Date('2099-01-01T00:00:00.000Z'))
  t.equal(lastClaimed(one, 'app', 'snapshots', later).getTime(), tick.getTime(), 'a clock that was ahead makes nothing done')
  releaseRun(one, 'app', 'drill', tick)
  t.equal(await claimRun(one, 'app', 'drill', tick), true, 'what could not begin can be claimed again')
})

t.test('while another process holds the catalog, a claim waits, and is not granted twice', async t => {
  const folder = testFolder(t)
  const [one, other] = [openCatalog(t, folder), openCatalog(t, folder)]
  const tick = new Date('2026-11-23T12:00:00.000Z')
  const holder = new Database(join(folder, 'catalog.db'))
  holder.exec('BEGIN IMMEDIATE')
  const claims = [claimRun(one, 'app', 'snapshots', tick), claimRun(other, 'app', 'snapshots', tick)]
  await sleep(500)
  holder.exec('ROLLBACK')
  holder.close()
  t.same((await Promise.all(claims)).toSorted(), [false, true])
})

t.test('a clock that is set back repeats no run', async t => {
  t.same(await runsOver(t, ['2026-11-23T10:00Z', '2026-11-23T12:10Z'], ['2026-11-23T11:05Z', '2026-11-23T13:10Z']), ['10:00', '11:00', '12:00', '13:00'])
})

t.test('a clock that is set forward makes up for one run, and not for each that it skipped', async t => {
  t.same(await runsOver(t, ['2026-11-23T10:00Z', '2026-11-23T10:10Z'], ['2026-11-23T15:20Z', '2026-11-23T16:10Z']), ['10:00', '15:00', '16:00'])
})

t.test('claims do not pile up, and the last one stays', async t => {
  const catalog = openCatalog(t)
  for (let day = 1; day <= 28; day++) await claimRun(catalog, 'app', 'drill', new Date(`2026-02-${String(day).padStart(2, '0')}T00:00:00.000Z`))
  t.equal(lastClaimed(catalog, 'app', 'drill', new Date('2026-03-01')).toISOString(), '2026-02-28T00:00:00.000Z')
  t.equal(await claimRun(catalog, 'app', 'drill', new Date('2026-02-27T00:00:00.000Z')), false, 'nor can a young one be claimed again')
})

t.test('a run that was missed while no process was there is made up for at the start, once, unless that is switched off', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const schedule = { snapshots: '0 0 1 1 *', integrity: false, retention: false, verify: false, drill: false } as const
  const start = async (more = {}): Promise<Awaited<ReturnType<typeof customHost>>> => await customHost(t, path, { plugin: { schedule: { ...schedule, ...more } } })
  const count = async ({ app }: Awaited<ReturnType<typeof customHost>>): Promise<number> => {
    await app.snapshots.settle()
    return (await app.snapshots.listSnapshots()).snapshots.length
  }
  const first = await start()
  t.equal(await count(first), 0, 'before the first run none was missed')
  await first.app.close()
  const catalog = Catalog.open(join(t.testdirName, 'backups'))
  await claimRun(catalog, 'app', 'snapshots', new Date('2020-01-01T00:00:00.000Z'))
  catalog.close()
  const second = await start({ runMissed: false })
  t.equal(await count(second), 0)
  await second.app.close()
  const waiting = await start({ jitter: 2_000_000_000 })
  await waiting.app.close()
  const never = await start({ snapshots: '0 0 0 1 1 * 2099' })
  t.equal(await count(never), 0, 'what is to come was not missed, nor what was not waited for')
  await never.app.close()
  const hosts = [await start(), await start()]
  await waitUntil('it is made up for', async () => await count(hosts[0]!) === 1)
  for (const host of hosts) await host.app.close()
  const last = await start()
  t.equal(await count(last), 1, 'and not again')
})
