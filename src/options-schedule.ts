import { OptionError } from './errors.ts'
import { optionName, type PluginSettings } from './options.ts'
import { checkSchedule } from './schedule/jobs.ts'

/**
 * Checks the schedules before anything is made.
 * @throws FST_SNAPSHOT_INVALID_OPTION, naming the option
 */
export function requireSchedule ({ timezone, ...expressions }: PluginSettings['schedule']): void {
  const nothing = { ...expressions, timezone, snapshots: false, integrity: false } as const
  checkSchedule(nothing)
  for (const what of ['snapshots', 'integrity'] as const) {
    try {
      checkSchedule({ ...nothing, [what]: expressions[what] })
    } catch (error) {
      // The scheduler's own words are about its parser.
      throw new OptionError(`${optionName(`schedule.${what}`)}: "${String(expressions[what])}" is no cron expression; write one such as "0 */6 * * *" (every six hours), or "off"`, { cause: error })
    }
  }
}
