import { QueueFullError } from '../errors.ts'

/** Lets one piece of work run after the other, in the order in which they came. */
export class Turns {
  readonly #limit: number
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** @param limit how many may wait */
  constructor (limit: number) {
    this.#limit = limit
  }

  /** Does something when its turn comes. @throws FST_SNAPSHOT_QUEUE_FULL */
  async take<T> (work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#limit) throw new QueueFullError(this.#waiting)
    this.#waiting++
    const turn = this.#last.then(async () => {
      this.#waiting--
      return await work()
    })
    this.#last = turn.catch(() => {})
    return await turn
  }

  /** Waits until all is done that is here now. */
  async whenOver (): Promise<void> {
    await this.#last
  }
}
