import { median } from './statistics.ts'
import type { Writer } from './writer.ts'

/** One way to do a thing, to be timed beside others. */
export interface Contender {
  what: string
  /** What it needs, not timed. */
  prepare?: () => Promise<void> | void
  run: () => Promise<unknown>
  /** Throws unless the result is right. */
  check: () => Promise<void> | void
  /** Takes the result away. */
  clean?: () => Promise<void> | void
  /** It reads a file that is being written, so its result may be torn: that is counted and no error. */
  mayTear?: boolean
}

export interface Figure {
  what: string
  /** Median. */
  seconds: number
  /** The longest that the writer waited for a commit. */
  waitedMs: number
  torn: number
}

export async function timed (work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

/** Runs contenders in turns, so that whatever slows the machine for a while slows all of them. */
export async function measure (contenders: Contender[], rounds: number, { writer, beforeRound }: { writer?: Writer, beforeRound?: () => Promise<void> | void } = {}): Promise<Figure[]> {
  const seen = contenders.map(contender => ({ contender, seconds: [] as number[], waitedMs: 0, torn: 0 }))
  for (let round = 0; round < rounds; round++) {
    await beforeRound?.()
    for (const entry of seen) {
      const { what, prepare, run, check, clean, mayTear = false } = entry.contender
      await prepare?.()
      await writer?.report()
      const seconds = await timed(run)
      entry.seconds.push(seconds)
      entry.waitedMs = Math.max(entry.waitedMs, (await writer?.report())?.longestMs ?? 0)
      console.log(`${seconds.toFixed(2).padStart(8)} s  ${what}`)
      try {
        await check()
      } catch (error) {
        if (!mayTear) throw error
        entry.torn++
      }
      await clean?.()
    }
  }
  return seen.map(({ contender, seconds, waitedMs, torn }) => ({ what: contender.what, seconds: median(seconds), waitedMs, torn }))
}

export const secondsOf = (figures: Figure[], what: string): number | undefined => figures.find(figure => figure.what === what)?.seconds
