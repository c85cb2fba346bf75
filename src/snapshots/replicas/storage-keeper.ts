import { setTimeout as sleep } from 'node:timers/promises'
import { readStorage } from '../../catalog/storage-states.ts'
import { snapshotsToCopy } from '../../catalog/replicas.ts'
import { findById, unfinishedDeletions } from '../../catalog/snapshots.ts'
import { codeOf, messageOf } from '../../errors.ts'
import type { StorageSettings } from '../../options-storages.ts'
import { isStorageFailure } from '../../storage/observed-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { finishDeletion } from '../delete-snapshot.ts'
import { copySnapshot } from './copy-snapshot.ts'
import { limitStorage } from './limit-storage.ts'
import { lockStorage } from './lock-storage.ts'
import { probeStorage } from './probe-storage.ts'
import { storagesOf } from './read-replica.ts'
import { REGULAR_MS, StorageListing } from './storage-listing.ts'

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 5 * 60_000
const STOP_GRACE_MS = 2_000

/**
 * Keeps one storage as it should be, in the background: tries it out, enters what it has in the catalog, makes the copies
 * that are missing there, removes what was deleted. After a failure it pauses, longer each time, and tries again.
 */
export class StorageKeeper {
  readonly #context: SnapshotContext
  readonly #settings: StorageSettings
  readonly #wakeOthers: () => void
  readonly #stopped = new AbortController()
  readonly listing: StorageListing
  /** Tries the storage out, and looks at it regularly. */
  #isWatching = false
  #isProbed = false
  #pass: Promise<void> | null = null
  #isDueAgain = false
  #failures = 0
  #timer: NodeJS.Timeout | undefined

  /** @param wakeOthers called where copies in other storages are to be made again */
  constructor (context: SnapshotContext, settings: StorageSettings, wakeOthers: () => void) {
    this.#context = context
    this.#settings = settings
    this.#wakeOthers = wakeOthers
    this.listing = new StorageListing(context, settings, this.#stopped.signal)
  }

  get name (): string {
    return this.#settings.storage.name
  }

  /** From now on the storage is looked at without being asked to. */
  watch (): void {
    this.#isWatching = true
    this.wake()
  }

  /** There may be something to do. During a pause after a failure it is left for then. */
  wake (): void {
    if (this.#failures === 0) this.#begin()
  }

  /** Does at once what is to be done, once the storage itself has said what it has. @throws what prevents it */
  async complete (): Promise<void> {
    await this.finish()
    await this.listing.listShared()
    while (!await this.#work()) await sleep(FIRST_PAUSE_MS, undefined, { signal: this.#stopped.signal })
    this.#failures = 0
  }

  /** Waits for what is under way. */
  async finish (): Promise<void> {
    while (this.#pass !== null) await this.#pass
  }

  /** Ends what is under way; what is not done by then is done after the next start. */
  stop (): void {
    clearTimeout(this.#timer)
    this.#stopped.abort()
  }

  /** How the storage did when it was last asked, as far as the catalog can tell. */
  get #state (): ReturnType<typeof readStorage> {
    try {
      return readStorage(this.#context.catalog, this.#context.settings.databaseName, this.name)
    } catch {
      return undefined // whoever needs it for more than a message is told by the next thing asked of the catalog
    }
  }

  #begin (): void {
    if (this.#stopped.signal.aborted) return
    clearTimeout(this.#timer)
    if (this.#pass !== null) {
      this.#isDueAgain = true
      return
    }
    this.#pass = this.#run().finally(() => {
      this.#pass = null
      if (this.#isDueAgain) {
        this.#isDueAgain = false
        this.wake()
      }
    })
  }

  async #run (): Promise<void> {
    const { logger } = this.#context
    try {
      const isDone = await this.#unlessStopped(this.#work())
      this.#failures = 0
      if (!isDone) this.#beginAfter(FIRST_PAUSE_MS)
      else if (this.#isWatching) this.#beginAfter(REGULAR_MS)
    } catch (error) {
      if (this.#stopped.signal.aborted) return
      if (this.#failures++ === 0 && this.#state?.isUp !== false) logger.warn({ err: error, storage: this.name }, `Storage ${this.name} is not as it should be, which is tried again later: ${messageOf(error)}`)
      this.#beginAfter(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures))
    }
  }

  /** The timer alone keeps no process running. */
  #beginAfter (pauseMs: number): void {
    if (!this.#stopped.signal.aborted) this.#timer = setTimeout(() => { this.#begin() }, pauseMs).unref()
  }

  /** @returns false where another process works on this storage */
  async #work (): Promise<boolean> {
    const { signal } = this.#stopped
    await this.#probe()
    if (this.listing.isMissing || (this.#isWatching && this.listing.isDue)) await this.listing.list()
    const lock = await lockStorage(this.#context, this.#settings.storage, 0)
    if (lock === null) return false
    try {
      await this.#copyAll(signal)
      if (!await limitStorage(this.#context, this.#settings, signal)) this.#wakeOthers()
    } finally {
      lock.release()
    }
    await this.#removeDeleted()
    return true
  }

  async #probe (): Promise<void> {
    const { settings: { probeStorage: isWanted, databaseName }, reports } = this.#context
    if (!isWanted || !this.#isWatching || (this.#isProbed && this.#state?.isUp === true)) return
    const lock = await lockStorage(this.#context, this.#settings.storage, 0) // else its object could be swept as a killed process's
    if (lock === null) return
    try {
      await probeStorage(this.#settings.storage, databaseName, this.#stopped.signal)
      this.#isProbed = true
    } catch (error) {
      if (!this.#stopped.signal.aborted) reports.report(this.name, error)
      throw error
    } finally {
      lock.release()
    }
  }

  /** One snapshot that cannot be copied holds up the others only where the storage itself fails. */
  async #copyAll (signal: AbortSignal): Promise<void> {
    const { catalog, settings: { databaseName } } = this.#context
    const failures: unknown[] = []
    for (const id of snapshotsToCopy(catalog, databaseName, this.name)) {
      const row = findById(catalog, id)
      if (row === undefined || storagesOf(this.#context, row).length < 2) continue
      try {
        await copySnapshot(this.#context, row, this.#settings.storage, signal)
      } catch (error) {
        signal.throwIfAborted()
        if (this.#state?.isUp === false || codeOf(error) === 'FST_SNAPSHOT_NO_ROOM') throw error
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures.find(isStorageFailure) ?? failures[0]
  }

  async #removeDeleted (): Promise<void> {
    const { catalog, settings: { databaseName } } = this.#context
    let isDone = true
    for (const row of unfinishedDeletions(catalog, databaseName)) {
      if (!row.replicas.some(({ storage }) => storage === this.name)) continue
      isDone = await finishDeletion(this.#context, row, [this.#settings.storage]) !== 'failed' && isDone
      if (!isDone && this.#state?.isUp === false) break // the others would fail as well
    }
    if (!isDone) throw new Error('what is stored of a deleted snapshot could not be removed')
  }

  /** Once stopped, a storage that does not answer is not waited for long. */
  async #unlessStopped<T> (work: Promise<T>): Promise<T> {
    const { signal } = this.#stopped
    const stopped = Promise.withResolvers<never>()
    let grace: NodeJS.Timeout | undefined
    const stop = (): void => { grace = setTimeout(() => { stopped.reject(signal.reason) }, STOP_GRACE_MS) }
    signal.addEventListener('abort', stop, { once: true })
    try {
      return await Promise.race([work, stopped.promise])
    } finally {
      signal.removeEventListener('abort', stop)
      clearTimeout(grace)
    }
  }
}
