import Database from 'better-sqlite3'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { AsyncTask, CronJob } from 'toad-scheduler'
import { LocalStorage, type ScheduleOptions, type Snapshot, type SnapshotsPluginOptions } from '../../src/index.ts'
import { LockFile } from '../../src/lock-file.ts'
import { customHost, type CustomHost } from '../helpers/custom-host.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { hindered } from '../helpers/hindered.ts'
import { holdLock, withRollbackJournal } from '../helpers/locked.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const EVERY_SECOND = '* * * * * *'
const SNAPSHOTS_ONLY: ScheduleOptions = { snapshots: EVERY_SECOND, integrity: false }

async function hostWith (t: Test, plugin: SnapshotsPluginOptions): Promise<CustomHost> {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  return await customHost(t, path, { plugin })
}

/** What an operation of another process holds. */
const operationLock = async (path: string): Promise<LockFile> => await LockFile.take(join(path, '..', 'backups', '.locks', 'app.lock'), 60_000)

async function scheduled ({ app }: CustomHost): Promise<Snapshot[]> {
  const { snapshots } = await app.snapshots.listSnapshots({ order: 'asc' })
  return snapshots.filter(({ trigger }) => trigger === 'scheduled')
}

/** Waits until so many seconds have begun, as the scheduler sees it. */
async function ticks ({ app }: CustomHost, count: number): Promise<void> {
  let seen = 0
  app.scheduler.addCronJob(new CronJob({ cronExpression: EVERY_SECOND }, new AsyncTask('ticks', async () => { seen++ })))
  await waitUntil(`${count} ticks have passed`, () => seen >= count)
}

t.test('scheduled snapshots come by themselves', async t => {
  const host = await hostWith(t, { schedule: SNAPSHOTS_ONLY })
  const snapshots = await waitUntil('there are two', async () => {
    const completed = (await scheduled(host)).filter(({ status }) => status === 'COMPLETED')
    return completed.length >= 2 && completed
  })
  t.match(snapshots[0], { name: /^app-\d{8}T\d{6}Z/, trigger: 'scheduled', status: 'COMPLETED', labels: {}, pinned: false })
})

t.test('keepLast removes older scheduled snapshots, never manual or pinned ones', async t => {
  const host = await hostWith(t, { schedule: { ...SNAPSHOTS_ONLY, keepLast: 2 } })
  await host.request('POST', '/snapshots', { name: 'manual' })
  const [first] = await waitUntil('there is one', async () => {
    const completed = (await scheduled(host)).filter(({ status }) => status === 'COMPLETED')
    return completed.length > 0 && completed
  })
  t.equal((await host.request('PATCH', `/snapshots/${String(first?.id)}`, { pinned: true })).statusCode, 200)
  const seen = new Set<string>()
  await waitUntil('six have come', async () => {
    for (const { id } of await scheduled(host)) seen.add(id)
    return seen.size >= 6
  })
  await host.app.snapshots.settle() // after the retention of what runs
  const left = await scheduled(host)
  t.ok(left.some(({ id }) => id === first?.id), 'the pinned one is still there')
  const completed = left.filter(({ status, pinned }) => status === 'COMPLETED' && !pinned)
  t.ok(completed.length <= 3, 'two are kept, and there may be one whose retention is under way')
  const newest = [...seen].slice(-1)
  t.ok(newest.every(id => left.some(snapshot => snapshot.id === id)), 'the newest is one of them')
  t.match((await host.request('GET', '/snapshots/manual')).json(), { status: 'COMPLETED' })
})

t.test('an old snapshot that cannot be removed is logged, and the schedule goes on', async t => {
  class Stubborn extends LocalStorage {
    override async put (...args: Parameters<LocalStorage['put']>): Promise<{ bytes: number }> {
      if (args[0].includes('/marks/')) throw new Error('deletion is forbidden')
      return await super.put(...args)
    }
  }
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const host = await customHost(t, path, { plugin: { storage: new Stubborn(join(path, '..', 'backups')), schedule: { ...SNAPSHOTS_ONLY, keepLast: 1 } } })
  await waitUntil('there are three', async () => (await scheduled(host)).filter(({ status }) => status === 'COMPLETED').length >= 3)
  t.match(host.log.find(({ msg }) => msg.startsWith('An old snapshot could not be removed')), { level: 40, msg: 'An old snapshot could not be removed: deletion is forbidden' })
})

t.test('the database is checked at the start, and then on schedule', async t => {
  const { app } = await hostWith(t, { schedule: { snapshots: false, integrity: EVERY_SECOND } })
  const first = await waitUntil('there is a check', () => app.snapshots.recovery.lastIntegrityCheck())
  t.match(first, { isHealthy: true })
  await waitUntil('there is another one', () => app.snapshots.recovery.lastIntegrityCheck()?.checkedAt !== first.checkedAt)
  const { app: other } = await customHost(t, join(t.testdirName, 'app.db'), { plugin: { schedule: { snapshots: false, integrity: '0 0 1 1 *' } } })
  t.ok(await waitUntil('it is checked at the start', () => other.snapshots.recovery.lastIntegrityCheck()))
})

t.test('a check that is not possible is logged, and the host goes on', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  withRollbackJournal(path)
  await holdLock(t, path)
  const { app, log } = await customHost(t, path, { plugin: { lockTimeout: 50, schedule: { snapshots: false } } })
  await waitUntil('it is in the log', () => log.find(({ msg }) => /^The integrity of the database could not be checked: .*stayed locked/.test(msg)))
  t.equal((await app.inject('/health/live')).statusCode, 200)
})

t.test('runs of a schedule never overlap and never pile up', async t => {
  const host = await hostWith(t, { schedule: SNAPSHOTS_ONLY })
  await waitUntil('the first is there', async () => (await scheduled(host)).length > 0)
  const otherProcess = await operationLock(host.path)
  const calls = t.capture(host.app.snapshots, 'createScheduledSnapshot', host.app.snapshots.createScheduledSnapshot)
  await ticks(host, 4)
  t.ok(calls().length <= 1, 'one run waits, no second one begins')
  otherProcess.release()
  const before = (await scheduled(host)).length
  await waitUntil('it goes on', async () => (await scheduled(host)).length > before)
})

t.test('a missing or locked database is logged as "Failed to create snapshot" with its cause, and the host goes on', async t => {
  const path = join(testFolder(t), 'app.db')
  const host = await customHost(t, path, { plugin: { lockTimeout: 50, schedule: SNAPSHOTS_ONLY } })
  const missing = await waitUntil('it is in the log', () => host.log.find(({ msg }) => msg.startsWith('Failed to create snapshot: There is no database')))
  t.match(missing, { level: 50, err: { message: /There is no database/, code: 'FST_SNAPSHOT_DATABASE_MISSING' } })
  makeDatabase(path).close()
  await waitUntil('it works again', async () => (await scheduled(host)).some(({ status }) => status === 'COMPLETED'))
  const stop = await operationLock(path)
  withRollbackJournal(path)
  const release = await holdLock(t, path)
  stop.release()
  await waitUntil('it is in the log', () => host.log.find(({ msg, err }) => msg.startsWith('Failed to create snapshot: ') && err?.code === 'FST_SNAPSHOT_DATABASE_LOCKED'))
  t.equal((await host.request('GET', '/health')).json().status, 'degraded')
  await release()
  const failures = (await scheduled(host)).length
  await waitUntil('it works again', async () => (await scheduled(host)).slice(failures).some(({ status }) => status === 'COMPLETED'))
})

t.test('a storage that is down from the start is logged as "Failed to create snapshot"', async t => {
  const down = async (): Promise<never> => { throw new Error('the bucket cannot be reached') }
  const storage = { name: 'down', put: down, get: down, head: down, list: () => ({ [Symbol.asyncIterator]: () => ({ next: down }) }), delete: down, removePartialWrites: down }
  const host = await hostWith(t, { storage: storage as never, schedule: SNAPSHOTS_ONLY })
  await waitUntil('it is in the log', () => host.log.find(({ msg }) => msg === 'Storage down is not as it should be, which is tried again later: the bucket cannot be reached'))
  await ticks(host, 3)
  await host.app.snapshots.settle().catch(() => {}) // after what runs
  t.ok(host.log.some(({ msg }) => msg === 'Failed to create snapshot: the bucket cannot be reached'))
  t.equal((await host.request('GET', '/health')).json().status, 'degraded')
})

t.test('a scheduled snapshot that finds the queue full is left out, and the log says so', async t => {
  const host = await hostWith(t, { schedule: SNAPSHOTS_ONLY })
  await host.app.snapshots.settle()
  const otherProcess = await operationLock(host.path)
  const waiting: Array<Promise<unknown>> = []
  const create = host.app.snapshots.createScheduledSnapshot.bind(host.app.snapshots)
  t.capture(host.app.snapshots, 'createScheduledSnapshot', async () => {
    for (let number = 0; number < 40; number++) {
      waiting.push(host.app.snapshots.settle().catch(() => {}))
      await nextTurn() // the first one begins
    }
    return await create()
  })
  const line = await waitUntil('it is in the log', () => host.log.find(({ msg }) => msg.startsWith('There is no scheduled snapshot this time')))
  t.match(line, { level: 40, err: { code: 'FST_SNAPSHOT_QUEUE_FULL' } })
  otherProcess.release()
  await Promise.all(waiting)
})

t.test('a scheduled snapshot that still waits when the application closes is left out', async t => {
  const host = await hostWith(t, { schedule: SNAPSHOTS_ONLY })
  await host.app.snapshots.settle()
  const otherProcess = await operationLock(host.path)
  const calls = t.capture(host.app.snapshots, 'createScheduledSnapshot', host.app.snapshots.createScheduledSnapshot)
  await waitUntil('one waits', () => calls().length > 0)
  await ticks(host, 2)
  await host.app.close()
  otherProcess.release()
  t.ok(host.log.some(({ msg }) => msg === 'There is no scheduled snapshot this time: Cancelled: the application is closing'))
  const catalog = new Database(join(host.path, '..', 'backups', 'catalog.db'))
  t.equal(catalog.prepare("SELECT count(*) FROM snapshots WHERE status = 'CREATING'").pluck().get(), 0)
  catalog.close()
})

t.test('what cannot begin is tried again for a while, and then left out', async t => {
  const { jobs, warnings } = await hindered(t, { tries: 3, pauseMs: 10 })
  await jobs.drain()
  t.equal(warnings.length, 3)
  jobs.stop()
})

t.test('the end of the application ends the pause before another try', async t => {
  const { jobs, writer, warnings } = await hindered(t, { tries: 3, pauseMs: 60_000 })
  await waitUntil('the first try has failed', () => warnings.length === 1)
  jobs.stop()
  await jobs.drain()
  t.equal(warnings.length, 1)
  t.match(writer.health(), { status: 'ok' }, 'which is no failure')
})

t.test('retention, verification and drills run by themselves, too', async t => {
  const host = await hostWith(t, { schedule: { snapshots: false, integrity: false, retention: EVERY_SECOND, verify: EVERY_SECOND, drill: EVERY_SECOND } })
  await host.app.snapshots.createSnapshot('a')
  await waitUntil('a drill was done', () => host.app.snapshots.drills.listDrills().length > 0)
  await waitUntil('it was verified', async () => (await host.app.snapshots.getSnapshot('a')).verifiedAt !== null)
})
