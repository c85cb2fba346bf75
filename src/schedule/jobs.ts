import { randomUUID } from 'node:crypto'
import { AsyncTask, CronJob, type ToadScheduler } from 'toad-scheduler'
import { messageOf, OptionError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { optionName } from '../options-names.ts'
import type { PluginSettings } from '../options.ts'
import type { SnapshotWriter } from '../snapshots/snapshot-writer.ts'

/**
 * Checks the schedules before anything is made.
 * @throws FST_SNAPSHOT_INVALID_OPTION for an expression or a time zone that is none
 */
export function checkSchedule ({ timezone, ...expressions }: PluginSettings['schedule']): void {
  try {
    Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch (error) {
    throw new OptionError(`"schedule.timezone": ${messageOf(error)}`, { cause: error })
  }
  for (const what of ['snapshots', 'integrity'] as const) {
    const cronExpression = expressions[what]
    if (cronExpression === false) continue
    const job = new CronJob({ cronExpression }, new AsyncTask(what, async () => {}))
    try {
      job.start()
      job.stop()
    } catch (error) {
      // The scheduler's own words are about its parser.
      throw new OptionError(`${optionName(`schedule.${what}`)}: "${cronExpression}" is no cron expression; write one such as "0 */6 * * *" (every six hours), or "off"`, { cause: error })
    }
  }
}

/** What runs by itself: made at registration, started when the host is ready. */
export class ScheduledJobs {
  readonly #jobs: CronJob[] = []
  readonly #running = new Set<Promise<void>>()
  readonly #writer: SnapshotWriter
  readonly #logger: Logger
  readonly #isIntegrityChecked: boolean

  constructor (writer: SnapshotWriter, { schedule: { snapshots, integrity, timezone, keepLast }, databaseName, logger }: PluginSettings) {
    this.#writer = writer
    this.#logger = logger
    this.#isIntegrityChecked = integrity !== false
    const add = (what: string, cronExpression: string | false, run: () => Promise<void>): void => {
      if (cronExpression === false) return
      const id = `fastify-sqlite-snapshots:${databaseName}:${what}:${randomUUID()}`
      const task = new AsyncTask(id, async () => { await this.#track(run()) })
      this.#jobs.push(new CronJob({ cronExpression, ...(timezone !== undefined && { timezone }) }, task, { id, preventOverrun: true }))
    }
    add('snapshots', snapshots, async () => { await this.#createSnapshot(keepLast) })
    add('integrity', integrity, async () => { await this.#checkIntegrity() })
  }

  /** Starts the schedules, and in the background what is due at the start. */
  start (scheduler: ToadScheduler): void {
    for (const job of this.#jobs) scheduler.addCronJob(job)
    void this.#track(this.#settle())
    this.#writer.watchStorages()
    if (this.#isIntegrityChecked) void this.#track(this.#checkIntegrity())
  }

  /** Stops the schedules; what runs is ended by closing the writer, then awaited with {@link drain}. */
  stop (): void {
    for (const job of this.#jobs) job.stop()
  }

  async drain (): Promise<void> {
    await Promise.allSettled([...this.#running])
  }

  async #createSnapshot (keepLast: number): Promise<void> {
    try {
      await this.#writer.createScheduledSnapshot(keepLast)
    } catch (error) {
      this.#logger.warn({ err: error }, `There is no scheduled snapshot this time: ${messageOf(error)}`)
    }
  }

  async #checkIntegrity (): Promise<void> {
    try {
      await this.#writer.recovery.validateDatabaseIntegrity()
    } catch (error) {
      this.#logger.warn({ err: error }, `The integrity of the database could not be checked: ${messageOf(error)}`)
    }
  }

  async #settle (): Promise<void> {
    try {
      await this.#writer.settle()
    } catch (error) {
      this.#logger.warn({ err: error }, `What an earlier process left was not settled yet: ${messageOf(error)}`)
    }
  }

  async #track (work: Promise<void>): Promise<void> {
    this.#running.add(work)
    await work
    this.#running.delete(work)
  }
}
