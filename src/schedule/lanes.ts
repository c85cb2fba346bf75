import { availableParallelism } from 'node:os'

/** Lets only so many run at a time, in the order in which they came. */
export class Lane {
  readonly #limit: number
  readonly #waiting: Array<() => void> = []
  #running = 0

  constructor (limit: number) {
    this.#limit = limit
  }

  async run<T> (work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next() // the place is handed on
    }
  }
}

/*
 * What runs by itself in this process, whatever database it is for: each starts engines, and a hundred databases have the same
 * schedule. What takes long has a lane of its own, where snapshots do not wait behind it.
 */
export const shortLane = new Lane(Math.max(2, availableParallelism()))
export const longLane = new Lane(1)
