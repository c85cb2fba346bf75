import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AsyncTask, CronJob, type ToadScheduler } from 'toad-scheduler'
import { keepFailedJobs, recordJobFailed } from '../catalog/failed-jobs.ts'
import { claimRun, lastClaimed, releaseRun } from '../catalog/scheduled-runs.ts'
import { codeOf, messageOf, OptionError } from '../errors.ts'
import { optionName } from '../options-names.ts'
import { SCHEDULED_JOBS, type ScheduledJob } from '../options-schedule.ts'
import type { PluginSettings } from '../options.ts'
import type { SnapshotContext } from '../snapshots/context.ts'
import type { SnapshotWriter } from '../snapshots/snapshot-writer.ts'
import { longLane, shortLane, type Lane } from './lanes.ts'
import { Ticks, tryOut } from './ticks.ts'

interface Job { lane: Lane, run: (writer: SnapshotWriter) => Promise<unknown>, failed: string }

const JOBS: Record<ScheduledJob, Job> = {
  snapshots: { lane: shortLane, run: async writer => await writer.createScheduledSnapshot(), failed: 'There is no scheduled snapshot this time' },
  integrity: { lane: shortLane, run: async writer => await writer.recovery.validateDatabaseIntegrity(), failed: 'The integrity of the database could not be checked' },
  retention: { lane: shortLane, run: async writer => await writer.retention.apply(), failed: 'Old snapshots were not removed this time' },
  verify: { lane: longLane, run: async writer => await writer.verifyNext(), failed: 'No snapshot was verified this time' },
  drill: { lane: longLane, run: async writer => await writer.drills.runDrill(), failed: 'No restore was rehearsed this time' }
}

/** Errors of a run that another one is in the way of, or the end of the process. */
const CANNOT_BEGIN = new Set(['FST_SNAPSHOT_BUSY', 'FST_SNAPSHOT_QUEUE_FULL', 'FST_SNAPSHOT_CANCELLED'])
const cannotBegin = (error: unknown): boolean => CANNOT_BEGIN.has(String(codeOf(error)))
/** How often such a run is tried, and how long the pauses are. */
const PATIENCE = { tries: 10, pauseMs: 60_000 }

/**
 * Checks the schedules before anything is made.
 * @throws FST_SNAPSHOT_INVALID_OPTION for an expression or a time zone that is none
 */
export function checkSchedule ({ timezone, jitter, runMissed, ...expressions }: PluginSettings['schedule']): void {
  try {
    Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch (error) {
    throw new OptionError(`"schedule.timezone": ${messageOf(error)}`, { cause: error })
  }
  for (const job of SCHEDULED_JOBS) {
    const cronExpression = expressions[job]
    if (cronExpression === false) continue
    try {
      tryOut(cronExpression)
      new Ticks(cronExpression, timezone).last(new Date())
    } catch (error) {
      // The scheduler's own words are about its parser.
      throw new OptionError(`${optionName(`schedule.${job}`)}: "${cronExpression}" is no cron expression; write one such as "0 */6 * * *" (every six hours), or "off"`, { cause: error })
    }
  }
}

/**
 * What runs by itself: made at registration, started when the host is ready. Several processes may have the same schedule: each
 * run is done by the one that claims it.
 */
export class ScheduledJobs {
  readonly #context: SnapshotContext
  readonly #writer: SnapshotWriter
  readonly #schedule: PluginSettings['schedule']
  readonly #ticks = new Map<ScheduledJob, Ticks>()
  readonly #cronJobs: CronJob[] = []
  readonly #patience: typeof PATIENCE
  readonly #running = new Set<Promise<unknown>>()
  readonly #stopped = new AbortController()

  constructor (context: SnapshotContext, writer: SnapshotWriter, { schedule, databaseName }: PluginSettings, patience = PATIENCE) {
    this.#context = context
    this.#writer = writer
    this.#schedule = schedule
    this.#patience = patience
    const { timezone } = schedule
    for (const job of SCHEDULED_JOBS) {
      const cronExpression = schedule[job]
      if (cronExpression === false) continue
      const ticks = new Ticks(cronExpression, timezone)
      const id = `fastify-sqlite-snapshots:${databaseName}:${job}:${randomUUID()}`
      const task = new AsyncTask(id, async () => { await this.#track(this.#take(job, ticks, ticks.last(new Date()) as Date)) }) // it has just come
      this.#ticks.set(job, ticks)
      this.#cronJobs.push(new CronJob({ cronExpression, ...(timezone !== undefined && { timezone }) }, task, { id, preventOverrun: true }))
    }
  }

  /** Starts the schedules, and in the background what is due at the start. */
  start (scheduler: ToadScheduler): void {
    void this.#track(this.#forgetOthers())
    for (const job of this.#cronJobs) scheduler.addCronJob(job)
    void this.#track(this.#settle())
    this.#writer.watchStorages()
    if (this.#schedule.runMissed) void this.#track(this.#runMissed())
    if (this.#ticks.has('integrity')) void this.#track(this.#run('integrity'))
  }

  /** When each job runs next, in Unix seconds. */
  nextRuns (): Map<ScheduledJob, number> {
    const now = new Date()
    return new Map([...this.#ticks].map(([job, ticks]) => [job, Math.floor((ticks.next(now)?.getTime() ?? 0) / 1000)]))
  }

  /** Stops the schedules; what runs is ended by closing the writer, then awaited with {@link drain}. */
  stop (): void {
    for (const job of this.#cronJobs) job.stop()
    this.#stopped.abort()
  }

  async drain (): Promise<void> {
    await Promise.allSettled([...this.#running])
  }

  /** Runs what became due while no process of the application was there. */
  async #runMissed (): Promise<void> {
    const { catalog, settings: { databaseName } } = this.#context
    const now = new Date()
    await Promise.all([...this.#ticks].map(async ([job, ticks]) => {
      const due = ticks.last(now)
      if (due !== undefined && lastClaimed(catalog, databaseName, job, now) < due) await this.#take(job, ticks, due)
    }))
  }

  /** Runs a job unless another process has claimed this run. */
  async #take (job: ScheduledJob, ticks: Ticks, tick: Date): Promise<void> {
    const { catalog, settings: { databaseName } } = this.#context
    if (!await this.#pause(ticks.delayMs(databaseName, tick, this.#schedule.jitter))) return
    try {
      if (!await claimRun(catalog, databaseName, job, tick)) return
    } catch (error) {
      this.#noteFailed(job, error)
      throw error
    }
    if (!await this.#run(job) && catalog.isOpen) releaseRun(catalog, databaseName, job, tick)
  }

  /** @returns false where it could not begin */
  async #run (job: ScheduledJob): Promise<boolean> {
    let error = await this.#try(job)
    for (let tries = 1; cannotBegin(error) && tries < this.#patience.tries && await this.#pause(this.#patience.pauseMs); tries++) error = await this.#try(job)
    if (error !== null) this.#noteFailed(job, error)
    return !cannotBegin(error)
  }

  /** For the health. The end of the process is no failure. */
  #noteFailed (job: ScheduledJob, error: unknown): void {
    const { catalog, logger, settings: { databaseName } } = this.#context
    if (this.#stopped.signal.aborted || !catalog.isOpen) return
    try {
      recordJobFailed(catalog, { database: databaseName, job, failedAt: new Date().toISOString(), message: `${JOBS[job].failed}: ${messageOf(error)}` })
    } catch (error) {
      logger.warn({ err: error }, `What the schedule could not do was not noted: ${messageOf(error)}`)
    }
  }

  /** @returns why it failed, or null where the operation has noted that it was done */
  async #try (job: ScheduledJob): Promise<unknown> {
    const { lane, run, failed } = JOBS[job]
    try {
      await this.#context.queue.whenOver() // no other database is to wait in the lane for this one
      await lane.run(async () => await run(this.#writer))
      return null
    } catch (error) {
      this.#context.logger.warn({ err: error }, `${failed}: ${messageOf(error)}`)
      return error
    }
  }

  /** @returns false where the schedules were stopped meanwhile */
  async #pause (milliseconds: number): Promise<boolean> {
    return await sleep(milliseconds, true, { signal: this.#stopped.signal }).catch(() => false)
  }

  async #forgetOthers (): Promise<void> {
    const { catalog, settings: { databaseName } } = this.#context
    keepFailedJobs(catalog, databaseName, [...this.#ticks.keys()])
  }

  async #settle (): Promise<void> {
    try {
      await this.#writer.settle()
    } catch (error) {
      this.#context.logger.warn({ err: error }, `What an earlier process left was not settled yet: ${messageOf(error)}`)
    }
  }

  async #track (work: Promise<unknown>): Promise<void> {
    this.#running.add(work)
    await work.catch((error: unknown) => { this.#context.logger.error({ err: error }, `The schedule has failed: ${messageOf(error)}`) })
    this.#running.delete(work)
  }
}
