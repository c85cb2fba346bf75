import { recordJobDone } from '../catalog/failed-jobs.ts'
import { messageOf } from '../errors.ts'
import type { ScheduledJob } from '../options-schedule.ts'
import type { SnapshotContext } from './context.ts'

/** Whoever does what the schedule could not do, the health need not tell of that any more. It says nothing of what was done where that cannot be noted. */
export function noteJobDone ({ catalog, logger, settings: { databaseName } }: SnapshotContext, job: ScheduledJob): void {
  try {
    recordJobDone(catalog, databaseName, job)
  } catch (error) {
    logger.warn({ err: error }, `The health may still tell of an earlier failure: ${messageOf(error)}`)
  }
}
