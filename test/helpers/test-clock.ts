import type { Clock } from '../../src/storage/token-bucket.ts'

/** A clock on which sleeping takes no time but its own. */
export class TestClock implements Clock {
  longestSleep = 0
  #now = 0

  now = (): number => this.#now

  sleep = async (milliseconds: number): Promise<void> => {
    this.longestSleep = Math.max(this.longestSleep, milliseconds)
    const until = this.#now + milliseconds
    await null
    this.#now = Math.max(this.#now, until)
  }

  advance (milliseconds: number): void {
    this.#now += milliseconds
  }
}
