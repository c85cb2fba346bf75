import { setTimeout as sleep } from 'node:timers/promises'
import { readStorage } from '../../catalog/storage-states.ts'
import type { StorageSettings } from '../../options-storages.ts'
import type { SnapshotContext } from '../context.ts'
import { enterStorage, type Findings } from '../rebuild/enter-storage.ts'
import { fillStorage } from './fill-storage.ts'

/** How often a storage is looked at while nothing happens. */
export const REGULAR_MS = 60 * 60_000
/** The least time between two listings, how much longer than the last one took, and how long somebody may wait for it to pass. */
const PAUSE_MS = 1_000
const PAUSE_SHARE = 10
const WAIT_MS = 2_000

/** Finds out what a storage has. */
export class StorageListing {
  readonly #context: SnapshotContext
  readonly #settings: StorageSettings
  readonly #signal: AbortSignal
  #running: Promise<Findings> | null = null
  #mayBeginAt = 0
  #isDueAt = 0
  #failure: { error: unknown } | null = null

  /** @param signal ends it */
  constructor (context: SnapshotContext, settings: StorageSettings, signal: AbortSignal) {
    this.#context = context
    this.#settings = settings
    this.#signal = signal
  }

  /** Enters what the storage has in the catalog. Whoever asks meanwhile gets the same answer. */
  async list (): Promise<Findings> {
    this.#running ??= this.#list().finally(() => { this.#running = null })
    return await this.#running
  }

  /** The same, begun by now: what is under way may have missed what the caller knows of. */
  async listAnew (): Promise<Findings> {
    await this.#running?.catch(() => {})
    return await this.list()
  }

  /** The same for what others can reach. */
  async listShared (): Promise<void> {
    if (this.#isShared) await this.listAnew()
  }

  /** Whether the catalog has never been told of all that the storage has. */
  get isMissing (): boolean {
    return (this.#state?.listedAt ?? null) === null
  }

  /** Why the last try to find out what the storage has failed, or null. */
  get failure (): { error: unknown } | null {
    return this.#failure
  }

  /** Whether it is time to look for what others have stored there; files of this machine are looked at once. */
  get isDue (): boolean {
    return Date.now() >= this.#isDueAt
  }

  /**
   * Looks for what others have stored there meanwhile; not where that must wait for long.
   * @param evenIfDown whether a storage is asked as well that failed before
   */
  async lookAgain (evenIfDown: boolean): Promise<void> {
    if (!this.#isShared) return
    await this.#running?.catch(() => {}) // it began before what is asked for
    const wait = this.#mayBeginAt - Date.now()
    const isDown = this.#state?.isUp === false
    if ((isDown && !this.isMissing && !evenIfDown) || wait > (isDown ? 0 : WAIT_MS)) return
    await sleep(Math.max(0, wait), undefined, { signal: this.#signal })
    await this.list()
  }

  /** Files of this machine are its own. */
  get #isShared (): boolean {
    return this.#settings.storage.fileOf === undefined
  }

  get #state (): ReturnType<typeof readStorage> {
    return readStorage(this.#context.catalog, this.#context.settings.databaseName, this.#settings.storage.name)
  }

  async #list (): Promise<Findings> {
    const began = Date.now()
    const isFirst = this.isMissing
    const findings = await enterStorage(this.#context, this.#settings.storage, this.#signal).catch((error: unknown) => {
      this.#failure = { error }
      throw error
    }).finally(() => {
      this.#mayBeginAt = Date.now() + Math.max(PAUSE_MS, PAUSE_SHARE * (Date.now() - began))
    })
    this.#failure = null
    this.#isDueAt = this.#isShared ? Date.now() + REGULAR_MS : Infinity
    if (isFirst) fillStorage(this.#context, this.#settings)
    return findings
  }
}
