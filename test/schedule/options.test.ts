import fastifySchedule from '@fastify/schedule'
import type { FastifyInstance } from 'fastify'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ToadScheduler } from 'toad-scheduler'
import snapshots, { type ScheduleOptions, type SnapshotsPluginOptions } from '../../src/index.ts'
import { customHost, type CustomHost } from '../helpers/custom-host.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const EVERY_SECOND = '* * * * * *'
const WITHOUT_OTHERS: ScheduleOptions = { integrity: false, retention: false, verify: false, drill: false }
const NOTHING: ScheduleOptions = { snapshots: false, ...WITHOUT_OTHERS }

async function hostWith (t: Test, plugin: SnapshotsPluginOptions, before?: (app: FastifyInstance) => Promise<void>): Promise<CustomHost> {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  return await customHost(t, path, { plugin, ...(before && { before }) })
}

const jobIds = (scheduler: ToadScheduler): string[] => scheduler.getAllJobs().map(({ id }) => String(id).replace(/:[0-9a-f-]{36}$/, '')).sort()

t.test('by default everything runs by itself', async t => {
  const { app } = await hostWith(t, { schedule: {} })
  t.same(jobIds(app.scheduler), ['drill', 'integrity', 'retention', 'snapshots', 'verify'].map(job => `fastify-sqlite-snapshots:app:${job}`))
})

for (const [what, schedule] of [['false', false], ['false for each', NOTHING]] as const) {
  t.test(`schedule: ${what} switches everything off`, async t => {
    const { app } = await hostWith(t, { schedule })
    t.same(jobIds(app.scheduler), [])
    await app.snapshots.settle()
    t.equal(app.snapshots.recovery.lastIntegrityCheck(), null, 'nothing is checked at the start either')
  })
}

t.test('SNAPSHOT_CRON_SCHEDULE=off switches the snapshots off, and nothing else', async t => {
  t.intercept(process, 'env', { value: { ...process.env, SNAPSHOT_CRON_SCHEDULE: 'off' } })
  const host = await hostWith(t, { schedule: undefined } as SnapshotsPluginOptions)
  t.same(jobIds(host.app.scheduler), ['drill', 'integrity', 'retention', 'verify'].map(job => `fastify-sqlite-snapshots:app:${job}`))
  await t.test('with further options of the schedule', async t => {
    const { app } = await hostWith(t, { schedule: WITHOUT_OTHERS })
    t.same(jobIds(app.scheduler), [])
  })
})

t.test('SNAPSHOT_CRON_SCHEDULE is the schedule of the snapshots, and the option goes first', async t => {
  t.intercept(process, 'env', { value: { ...process.env, SNAPSHOT_CRON_SCHEDULE: EVERY_SECOND } })
  const host = await hostWith(t, { schedule: WITHOUT_OTHERS })
  await waitUntil('there is one', async () => (await host.app.snapshots.listSnapshots()).snapshots.some(({ trigger }) => trigger === 'scheduled'))
  await t.test('with the option', async t => {
    const { app } = await hostWith(t, { schedule: NOTHING })
    t.same(jobIds(app.scheduler), [])
  })
})

const WRONG: Array<[option: string, schedule: ScheduleOptions]> = [
  ['schedule.snapshots', { snapshots: 'every day' }],
  ['schedule.snapshots', { snapshots: '61 * * * * *' }],
  ['schedule.snapshots', { snapshots: '* *' }],
  ['schedule.snapshots', { snapshots: '' }],
  ['schedule.snapshots', { snapshots: true as never }],
  ['schedule.integrity', { integrity: '* * * * * * * * *' }],
  ['schedule.timezone', { timezone: 'Mars/Olympus_Mons' }],
  ['schedule.timezone', { timezone: 'Mars/Olympus_Mons', ...NOTHING }],
  ['schedule.keepLast', { keepLast: 0 }],
  ['schedule.keepLast', { keepLast: 1.5 }],
  ['schedule.cron', { cron: '0 0 * * *' } as never]
]
for (const [option, schedule] of WRONG) {
  t.test(`schedule ${JSON.stringify(schedule)} is refused at registration, naming the option`, async t => {
    await t.rejects(hostWith(t, { schedule }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: new RegExp(option.replace('.', '\\.')) })
  })
}

t.test('a wrong SNAPSHOT_CRON_SCHEDULE is refused at registration, naming it', async t => {
  t.intercept(process, 'env', { value: { ...process.env, SNAPSHOT_CRON_SCHEDULE: 'sometimes' } })
  await t.rejects(hostWith(t, { schedule: {} }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /schedule\.snapshots.*sometimes|SNAPSHOT_CRON_SCHEDULE/ })
})

t.test('a time zone is heeded', async t => {
  const { app } = await hostWith(t, { schedule: { ...NOTHING, snapshots: '0 0 * * *', timezone: 'Asia/Tokyo' } })
  t.same(jobIds(app.scheduler), ['fastify-sqlite-snapshots:app:snapshots'])
})

t.test("the host's own @fastify/schedule is used where it is registered", async t => {
  let own: ToadScheduler | undefined
  const { app } = await hostWith(t, { schedule: {} }, async app => {
    await app.register(fastifySchedule)
    own = app.scheduler
  })
  t.ok(own)
  t.equal(app.scheduler, own)
  t.equal(jobIds(app.scheduler).length, 5)
})

t.test('two databases in one host with one scheduler, both in files called app.db, have their own schedules', async t => {
  const folder = testFolder(t, { one: {}, two: {} })
  const [one, two] = [join(folder, 'one', 'app.db'), join(folder, 'two', 'app.db')]
  for (const path of [one, two]) makeDatabase(path).close()
  const { app } = await customHost(t, one, {
    plugin: { schedule: {} },
    async before (app) {
      await app.register(fastifySchedule)
      await app.register(async scope => { await scope.register(snapshots, { database: two, auth: false, schedule: {}, probeStorage: false }) }, { prefix: '/two' })
    }
  })
  t.equal(app.scheduler.getAllJobs().length, 10)
})
