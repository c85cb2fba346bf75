const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * HOUR_MS
/** 1970 began on a Thursday, and weeks begin on Mondays (ISO 8601). */
const DAYS_TO_MONDAY = 3

/** Spans of the calendar, in UTC: summer time makes no hour double and no day short. */
export const PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const
export type Period = typeof PERIODS[number]

/** Which of a calendar's spans a moment is in, as a number that grows with time. */
export function spanOf (period: Period, moment: Date): number {
  const time = moment.getTime()
  if (period === 'hourly') return Math.floor(time / HOUR_MS)
  if (period === 'daily') return Math.floor(time / DAY_MS)
  if (period === 'weekly') return Math.floor((Math.floor(time / DAY_MS) + DAYS_TO_MONDAY) / 7)
  if (period === 'monthly') return moment.getUTCFullYear() * 12 + moment.getUTCMonth()
  return moment.getUTCFullYear()
}
