import { join } from 'node:path'
import type { Test } from 'tap'
import { ToadScheduler } from 'toad-scheduler'
import { errors, SnapshotWriter, type ScheduleOptions } from '../../src/index.ts'
import type { Logger } from '../../src/logger.ts'
import { pluginSettings } from '../../src/options.ts'
import { ScheduledJobs } from '../../src/schedule/jobs.ts'
import { SnapshotContext } from '../../src/snapshots/context.ts'
import { makeDatabase } from './databases.ts'
import { testFolder } from './folder.ts'

export interface Hindered {
  /** Folder of the database. */
  folder: string
  context: SnapshotContext
  writer: SnapshotWriter
  warnings: string[]
  jobs: ScheduledJobs
  /** Starts the schedule anew, as another start of the application does. */
  again: (schedule?: ScheduleOptions) => ScheduledJobs
  /** Nobody is in the way any more. */
  free: () => void
}

/** A schedule with a check of the integrity at the start, that another process is always in the way of. */
export async function hindered (t: Test, patience = { tries: 1, pauseMs: 10 }): Promise<Hindered> {
  const folder = testFolder(t)
  const database = join(folder, 'app.db')
  makeDatabase(database).close()
  const warnings: string[] = []
  const logger = { debug: () => {}, info: () => {}, warn: (_: unknown, message: string) => { warnings.push(message) }, error: () => {} } as unknown as Logger
  const settingsWith = (schedule: ScheduleOptions): ReturnType<typeof pluginSettings> => pluginSettings({ database, auth: false, probeStorage: false, schedule: { snapshots: false, integrity: '0 0 1 1 *', retention: false, verify: false, drill: false, ...schedule }, logger })
  const context = new SnapshotContext(settingsWith({}))
  const writer = new SnapshotWriter(context as never)
  t.teardown(async () => { await writer.close() })
  writer.recovery.validateDatabaseIntegrity = async () => { throw new errors.BusyError() }
  const again = (schedule: ScheduleOptions = {}): ScheduledJobs => {
    const jobs = new ScheduledJobs(context, writer, settingsWith(schedule), patience)
    jobs.start(new ToadScheduler())
    t.teardown(() => { jobs.stop() })
    return jobs
  }
  return { folder, context, writer, warnings, jobs: again(), again, free: () => { Reflect.deleteProperty(writer.recovery, 'validateDatabaseIntegrity') } }
}
