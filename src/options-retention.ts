import { Type } from '@sinclair/typebox'
import { OptionError } from './errors.ts'
import { withoutUndefined } from './schemas/fit.ts'
import { KeepLast } from './schemas/requests.ts'
import { PERIODS, type Period } from './snapshots/retention/periods.ts'

/** Which snapshots are kept: each that any of the rules keeps. Without a rule all are. */
export interface RetentionRules extends Partial<Record<Period, number>> {
  /** The newest so many. */
  keepLast?: number
  /** Milliseconds after which a snapshot goes, whatever the other rules say of it. */
  maxAge?: number
}

export interface RetentionOptions {
  /** Rules for scheduled snapshots. Default: the newest 10 (`{ keepLast: 10 }`). `hourly`, `daily`, `weekly`, `monthly` and `yearly` keep the last of so many of these spans, in UTC. */
  scheduled?: RetentionRules
  /** Rules for those that somebody asked for. Default: all stay. */
  manual?: RetentionRules
  /** Sound snapshots that stay in any case, the newest first. Default 1, which is also the least. */
  minimum?: number
  /**
   * A snapshot is held, whatever the rules say, while its database had more than this many times the content of the newest
   * one's: it may have been emptied by mistake. Health and `snapshot_retention_held` tell it. Default 4; 0 for never.
   */
  holdFactor?: number
  /** How long failed creations stay in the list, in milliseconds. Default 30 days. */
  failedMaxAge?: number
}

/** The rules after every check and default. */
export type RetentionPolicy = Required<RetentionOptions>

const DAY_MS = 24 * 60 * 60 * 1000
const Age = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'a whole number of milliseconds of at least 1' })
const closed = { additionalProperties: false }
const Rules = Type.Partial(Type.Object({ keepLast: KeepLast, maxAge: Age, ...Object.fromEntries(PERIODS.map(period => [period, KeepLast])) }, closed))

export const RetentionOption = Type.Partial(Type.Object({
  scheduled: Rules,
  manual: Rules,
  minimum: KeepLast,
  holdFactor: Type.Union([Type.Literal(0), Type.Number({ minimum: 1 })], { description: 'a number of at least 1, or 0' }),
  failedMaxAge: Age
}, closed))

/**
 * @param keepLast the shorthand among the options of the schedule
 * @throws FST_SNAPSHOT_INVALID_OPTION
 */
export function retentionPolicy (given: RetentionOptions = {}, keepLast?: number): RetentionPolicy {
  const options = withoutUndefined(given)
  if (keepLast !== undefined && options.scheduled !== undefined) throw new OptionError('"schedule.keepLast" and "retention.scheduled" say the same; give one of them')
  return { scheduled: { keepLast: keepLast ?? 10 }, manual: {}, minimum: 1, holdFactor: 4, failedMaxAge: 30 * DAY_MS, ...options }
}
