import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import { CronJob, AsyncTask } from 'toad-scheduler'

const SECOND_MS = 1000
const DAY_MS = 24 * 60 * 60 * SECOND_MS
/** How far back a tick is looked for, step by step: leap days are eight years apart where a century has none. */
const SPANS_MS = [2 * SECOND_MS, 60 * SECOND_MS, 60 * 60 * SECOND_MS, DAY_MS, 32 * DAY_MS, 400 * DAY_MS, 9 * 366 * DAY_MS]

/** The moments of a cron expression: every process of an application counts the same ones. */
export class Ticks {
  readonly #cron: Cron

  /** @throws Error for an expression or a time zone that is none */
  constructor (cronExpression: string, timezone: string | undefined) {
    this.#cron = new Cron(cronExpression, { paused: true, ...(timezone !== undefined && { timezone }) })
  }

  /** The last one up to now; undefined where there was none within some years. */
  last (now: Date): Date | undefined {
    // Croner looks forward in any case, and back not for every expression.
    for (const span of SPANS_MS) {
      let last: Date | undefined
      for (let next = this.next(new Date(now.getTime() - span)); next !== undefined && next <= now; next = this.next(next)) last = next
      if (last !== undefined) return last
    }
    return undefined
  }

  /** The first one after now; undefined where there is none any more. */
  next (now: Date): Date | undefined {
    return this.#cron.nextRun(now) ?? undefined
  }

  /**
   * How long after a tick a database's turn is, where many have the same schedule: always the same for one name, and never
   * more than half of the time to the next tick.
   */
  delayMs (name: string, tick: Date, jitterMs: number): number {
    if (jitterMs === 0) return 0
    const span = ((this.next(tick)?.getTime() ?? Infinity) - tick.getTime()) / 2
    return Math.floor(createHash('sha256').update(name).digest().readUInt32BE() / 2 ** 32 * Math.min(jitterMs, span))
  }
}

/** Whether the scheduler itself takes an expression. @throws Error where it does not */
export function tryOut (cronExpression: string): void {
  const job = new CronJob({ cronExpression }, new AsyncTask('', async () => {}))
  job.start()
  job.stop()
}
