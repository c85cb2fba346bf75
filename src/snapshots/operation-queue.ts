import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { CancelledError } from '../errors.ts'
import { LockFile } from '../lock-file.ts'
import { Turns } from './turns.ts'

export interface OperationQueueOptions {
  /** Held through each operation, so processes take turns. */
  lockFile: string
  /** Held by an engine that changes the live database until it has ended, even where its host was killed. */
  engineLockFile: string
  /** How long an operation waits for other processes, in milliseconds. */
  timeoutMs: number
  /** Operations that may wait in this process. */
  limit: number
  /** Called before each operation, once it is alone; it refuses the operation by throwing. */
  onBegin?: () => void
}

const CLOSING = 'the application is closing'

/**
 * One operation at a time changes snapshots, the catalog or the live database: within this process in the order of the
 * requests, between processes by a lock that the operating system releases when its holder dies.
 */
export class OperationQueue {
  readonly #options: OperationQueueOptions
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  readonly #turns: Turns
  readonly #readings: Turns

  constructor (options: OperationQueueOptions) {
    this.#options = options
    this.#turns = new Turns(options.limit)
    this.#readings = new Turns(options.limit)
  }

  /**
   * Runs an operation when its turn comes. The signal is aborted when the queue closes; an operation that must not be cut
   * short from some point on ignores it from there.
   * @throws FST_SNAPSHOT_QUEUE_FULL, FST_SNAPSHOT_BUSY (another process), FST_SNAPSHOT_CANCELLED (closing)
   */
  async run<T> (operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return await this.#track(this.#turns.take(async () => await this.#underLock(operation)))
  }

  /** Waits for the operations of this process that run or wait now. */
  async whenOver (): Promise<void> {
    await this.#turns.whenOver()
  }

  /** Runs something long that only reads what is stored, beside operations; one at a time in this process. @throws FST_SNAPSHOT_QUEUE_FULL, FST_SNAPSHOT_CANCELLED */
  async runReading<T> (work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return await this.runBeside(async signal => await this.#readings.take(async () => {
      signal.throwIfAborted()
      return await work(signal)
    }))
  }

  /** Runs something that changes nothing at once, as a part of what {@link close} waits for. */
  async runBeside<T> (work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return await this.#track(this.#refuseWhenClosing().then(async () => await work(this.#closing.signal)))
  }

  /** Cancels what waits and what may be cancelled, and waits for the rest. */
  async close (): Promise<void> {
    this.#closing.abort(new CancelledError(CLOSING))
    await Promise.allSettled([...this.#running])
  }

  async #underLock<T> (operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    await this.#refuseWhenClosing()
    const { lockFile, engineLockFile, timeoutMs } = this.#options
    mkdirSync(dirname(lockFile), { recursive: true, mode: 0o700 })
    const { signal } = this.#closing
    const lock = await LockFile.take(lockFile, timeoutMs, signal)
    try {
      const engineLock = await LockFile.take(engineLockFile, timeoutMs, signal)
      engineLock.release()
      this.#options.onBegin?.()
      return await operation(signal)
    } finally {
      lock.release()
    }
  }

  async #refuseWhenClosing (): Promise<void> {
    this.#closing.signal.throwIfAborted()
  }

  async #track<T> (work: Promise<T>): Promise<T> {
    this.#running.add(work)
    try {
      return await work
    } finally {
      this.#running.delete(work)
    }
  }
}
