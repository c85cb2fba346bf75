import type { Reading } from './reading.ts'

/** One value with the labels it has besides that of the database. */
export type Sample = [labels: Record<string, string>, value: number]

/** A metric, and which of the things read it shows. */
export interface Definition {
  name: string
  help: string
  /** Labels besides `database`. */
  labels?: string[]
  samples: (reading: Reading) => Sample[]
}

export const single = (value: number): Sample[] => [[{}, value]]

/** A metric that the catalog keeps under its name. */
export const recorded = (name: string, help: string, before = 0): Definition => ({
  name,
  help,
  samples: reading => single(reading.recorded(name).get('') ?? before)
})
