import t from 'tap'
import { retentionPolicy } from '../src/options-retention.ts'
import { pluginSettings, snapshotSettings } from '../src/options.ts'

const database = '/data/app.db'

t.test('by default the newest ten scheduled snapshots are kept, and all others', async t => {
  t.same(retentionPolicy(), { scheduled: { keepLast: 10 }, manual: {}, minimum: 1, holdFactor: 4, failedMaxAge: 2_592_000_000 })
  t.same(retentionPolicy({ scheduled: { daily: 7 } }).scheduled, { daily: 7 }, 'rules of one\'s own replace the default')
  t.same(retentionPolicy({ scheduled: undefined, holdFactor: undefined, failedMaxAge: undefined } as never), retentionPolicy(), 'what is undefined is not given')
  t.same(snapshotSettings({ database, retention: { minimum: 3 } }).retention, { ...retentionPolicy(), minimum: 3 })
})

t.test('the schedule\'s keepLast says the same in short, and not both may be given', async t => {
  const of = (options: object): unknown => pluginSettings({ database, auth: false, ...options }).retention.scheduled
  t.same(of({ schedule: { keepLast: 3 } }), { keepLast: 3 })
  t.same(of({ schedule: { keepLast: 3 }, retention: { minimum: 2 } }), { keepLast: 3 })
  t.throws(() => of({ schedule: { keepLast: 3 }, retention: { scheduled: { keepLast: 3 } } }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"schedule.keepLast" and "retention.scheduled" say the same/ })
})

t.test('what makes no sense is refused by its name', async t => {
  for (const [retention, message] of [
    [{ scheduled: { keepLast: 0 } }, /"retention.scheduled.keepLast": it must be a whole number of at least 1/],
    [{ scheduled: { daily: 1.5 } }, /"retention.scheduled.daily"/],
    [{ manual: { maxAge: -1 } }, /"retention.manual.maxAge": it must be a whole number of milliseconds/],
    [{ manual: { every: 1 } }, /"retention.manual.every": it is not known; known are keepLast, maxAge, hourly, daily, weekly, monthly, yearly/],
    [{ minimum: 0 }, /"retention.minimum": it must be a whole number of at least 1/],
    [{ holdFactor: 0.5 }, /"retention.holdFactor": it must be a number of at least 1, or 0/],
    [{ failedMaxAge: 0 }, /"retention.failedMaxAge"/],
    [3, /"retention"/]
  ] as const) t.throws(() => snapshotSettings({ database, retention: retention as never }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message })
})
