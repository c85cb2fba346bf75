import { setTimeout as timeout } from 'node:timers/promises'

/** Time as a bucket sees it. */
export interface Clock {
  /** Milliseconds since any moment. */
  now: () => number
  /** Resolves after so many milliseconds, or at once when the signal is aborted. */
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

export const realClock: Clock = {
  now: () => performance.now(),
  sleep: async (milliseconds, signal) => { await timeout(milliseconds, undefined, { signal }).catch(() => {}) }
}

/** What was not used for so long may be made up for: timers are late. */
const BURST_MS = 100
/** Timers cannot be longer than 24 days; these are looked at again anyway. */
const LONGEST_SLEEP_MS = 60_000

/** Gives out bytes at a limited rate, to whoever comes, in the order of coming. */
export class TokenBucket {
  readonly #bytesPerSecond: number
  readonly #clock: Clock
  /** When all that was given out is paid for. */
  #paidAt = -Infinity

  constructor (bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond
    this.#clock = clock
  }

  /** Resolves when so many bytes may pass. @throws the signal's reason, when it is aborted */
  async take (bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const paidAt = Math.max(this.#paidAt, this.#clock.now() - BURST_MS) + bytes / this.#bytesPerSecond * 1000
    this.#paidAt = paidAt
    for (let wait = paidAt - this.#clock.now(); wait > 0; wait = paidAt - this.#clock.now()) {
      await this.#clock.sleep(Math.min(wait, LONGEST_SLEEP_MS), signal)
      signal.throwIfAborted()
    }
  }
}
