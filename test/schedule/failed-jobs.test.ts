import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { recordJobFailed } from '../../src/catalog/failed-jobs.ts'
import { SCHEDULED_JOBS, type ScheduledJob } from '../../src/options-schedule.ts'
import { hindered, type Hindered } from '../helpers/hindered.ts'
import { loseTable } from '../helpers/lose-table.ts'
import { waitUntil } from '../helpers/wait-until.ts'

/* What the schedule could not do is told by the health, until it is done. */

const EVERY_SECOND = '* * * * * *'
const COULD_NOT = { status: 'degraded', reasons: [/^The schedule failed at \d{4}-.*Z: The integrity of the database could not be checked: Another /] }
const OK = { status: 'ok', reasons: [] }

function fail ({ context: { catalog } }: Hindered, job: ScheduledJob): void {
  recordJobFailed(catalog, { database: 'app', job, failedAt: new Date().toISOString(), message: `no ${job}` })
}

function lose ({ folder }: Hindered, table: string): void {
  loseTable(join(folder, 'backups'), table)
}

t.test('a job that could not be done is told until the schedule does it', async t => {
  const { jobs, writer, again, free } = await hindered(t)
  await jobs.drain()
  t.match(writer.health(), COULD_NOT)
  await again().drain()
  t.match(writer.health(), COULD_NOT, 'not by another start alone')
  free()
  await again().drain()
  t.match(writer.health(), OK)
})

t.test('what is scheduled no more is not told any more', async t => {
  const { jobs, writer, again } = await hindered(t)
  await jobs.drain()
  t.match(writer.health(), COULD_NOT)
  await again({ integrity: false }).drain()
  t.match(writer.health(), OK)
})

t.test('each job can be done by hand', async t => {
  const application = await hindered(t)
  const { jobs, writer, free } = application
  await jobs.drain()
  free()
  const byHand: Record<ScheduledJob, () => Promise<unknown>> = {
    snapshots: async () => await writer.createSnapshot('a'),
    integrity: async () => await writer.recovery.validateDatabaseIntegrity(),
    retention: async () => await writer.retention.apply(),
    verify: async () => await writer.verifySnapshot('a'),
    drill: async () => await writer.drills.runDrill()
  }
  await byHand.integrity()
  for (const job of SCHEDULED_JOBS) {
    fail(application, job)
    t.match(writer.health(), { status: 'degraded', reasons: [RegExp(`no ${job}$`)] })
    await byHand[job]()
    t.match(writer.health(), OK, job)
  }
})

t.test('with nothing to verify, a verification is done', async t => {
  const application = await hindered(t)
  const { jobs, writer, free } = application
  free()
  await jobs.drain()
  await application.again().drain()
  fail(application, 'verify')
  t.equal(await writer.verifyNext(), null)
  t.match(writer.health(), OK)
})

t.test('a scheduled snapshot that failed is told once', async t => {
  const application = await hindered(t)
  const { folder, jobs, writer, free, again } = application
  await jobs.drain()
  free()
  await again().drain()
  rmSync(join(folder, 'app.db'))
  await t.rejects(writer.createScheduledSnapshot())
  fail(application, 'snapshots')
  t.match(writer.health().reasons.join(), /missing|no database/)
  t.notMatch(writer.health().reasons.join(), /The schedule failed/)
})

t.test('a run that cannot be claimed is one that failed', async t => {
  const application = await hindered(t)
  const { jobs, writer, free, again } = application
  await jobs.drain()
  free()
  lose(application, 'scheduledRuns')
  const later = again({ snapshots: EVERY_SECOND })
  await waitUntil('it is told', () => writer.health().reasons.some(reason => /There is no scheduled snapshot this time: The catalog .* cannot be used: no such table: scheduledRuns/.test(reason)))
  later.stop()
  await later.drain()
})

t.test('where the catalog cannot keep it, it is logged, and what was done has been done', async t => {
  const application = await hindered(t)
  const { jobs, writer, warnings, again } = application
  await jobs.drain()
  lose(application, 'failedJobs')
  t.match(writer.health(), { status: 'degraded', reasons: [/no such table: failedJobs/] })
  await again().drain()
  t.ok(warnings.some(line => line.startsWith('What the schedule could not do was not noted: ')))
  t.match(await writer.createSnapshot('a'), { status: 'COMPLETED' })
  t.ok(warnings.some(line => line.startsWith('The health may still tell of an earlier failure: ')))
})

t.test('a database that is damaged is unhealthy also where the catalog has lost something', async t => {
  const application = await hindered(t)
  const { folder, jobs, writer, free } = application
  await jobs.drain()
  free()
  rmSync(join(folder, 'app.db'))
  await writer.recovery.validateDatabaseIntegrity()
  lose(application, 'storages')
  t.match(writer.health(), { status: 'unhealthy', reasons: [/^The database was missing/, /no such table: storages/] })
})
