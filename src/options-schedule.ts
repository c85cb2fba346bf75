export interface ScheduleOptions {
  /** Cron expression of the snapshots, or `false` or `'off'` for none. Default: SNAPSHOT_CRON_SCHEDULE, else every six hours (`0 *\/6 * * *`). */
  snapshots?: string | false
  /** Cron expression of the integrity check, which also runs at the start, or `false` or `'off'` for neither. Default: hourly. */
  integrity?: string | false
  /** IANA time zone of the expressions. Default: that of the process. */
  timezone?: string
  /** Cron expression of the retention, which also runs after each creation, or `false` or `'off'` for none. Default: hourly (`30 * * * *`). */
  retention?: string | false
  /** Cron expression of the verification of the next snapshot, or `false` or `'off'` for none. Default: daily (`0 4 * * *`). */
  verify?: string | false
  /** Cron expression of the rehearsed restore, or `false` or `'off'` for none. Default: monthly (`0 5 1 * *`). */
  drill?: string | false
  /**
   * Over how many milliseconds the runs of several databases with the same schedule are spread, each by its name; never over
   * more than half of the time to the next run. Default 0, with a namespace 30000.
   */
  jitter?: number
  /** Whether a run that became due while no process of the application was there is made up for at the start. Default true. */
  runMissed?: boolean
  /** How many scheduled snapshots are kept, as `retention: { scheduled: { keepLast } }` says as well. Default 10. */
  keepLast?: number
}

/** What runs by itself. */
export const SCHEDULED_JOBS = ['snapshots', 'integrity', 'retention', 'verify', 'drill'] as const
export type ScheduledJob = typeof SCHEDULED_JOBS[number]

const DEFAULT_JOBS: Record<ScheduledJob, string> = { snapshots: '0 */6 * * *', integrity: '0 * * * *', retention: '30 * * * *', verify: '0 4 * * *', drill: '0 5 1 * *' }

/** The cron expression of each, or false for none. */
export function scheduledJobs (given: Partial<Record<ScheduledJob, string | false>> | false): Record<ScheduledJob, string | false> {
  return Object.fromEntries(SCHEDULED_JOBS.map(job => [job, given !== false && unlessOff(given[job] ?? DEFAULT_JOBS[job])])) as Record<ScheduledJob, string | false>
}

export const unlessOff = (expression: string | false): string | false => expression === 'off' ? false : expression
