import { messageOf } from '../../errors.ts'
import type { SnapshotContext } from '../context.ts'
import type { RebuildResult } from '../outcomes.ts'
import { StorageKeeper } from './storage-keeper.ts'

/** The copies of all snapshots, in all storages: each storage has a keeper of its own, so a slow one holds up no other. */
export class Replicas {
  readonly #context: SnapshotContext
  readonly #keepers: StorageKeeper[]
  #known: Array<Promise<void>> | null = null

  constructor (context: SnapshotContext) {
    this.#context = context
    this.#keepers = context.storages.map(settings => new StorageKeeper(context, settings, () => { this.#wakeOthers(settings.storage.name) }))
  }

  watch (): void {
    for (const keeper of this.#keepers) keeper.watch()
  }

  wake (): void {
    for (const keeper of this.#keepers) keeper.wake()
  }

  #wakeOthers (name: string): void {
    for (const keeper of this.#keepers) if (keeper.name !== name) keeper.wake()
  }

  /**
   * Waits until a new catalog knows what the storages have, or the first try to find that out has failed.
   * @param isEnough asked after each storage whether the others need not be waited for
   */
  async known (isEnough = (): boolean => false): Promise<void> {
    this.#known ??= this.#keepers.filter(({ listing }) => listing.isMissing).map(async ({ listing }) => { await listing.list().catch(() => {}) })
    const enough = Promise.withResolvers<void>()
    const check = (): void => { if (isEnough()) enough.resolve() }
    check()
    await Promise.race([enough.promise, Promise.all(this.#known.map(async listed => { await listed.then(check) }))])
  }

  /** The same only where the catalog of this deployment was lost: new snapshots must come behind those in the storages. */
  async knownIfLost (): Promise<void> {
    if (this.#context.catalog.isReplaced) await this.known()
  }

  /** Looks for what others have stored meanwhile; on request also where the last try failed. */
  async lookAgain (evenIfDown: boolean): Promise<void> {
    await Promise.allSettled(this.#keepers.map(async keeper => await keeper.listing.lookAgain(evenIfDown)))
  }

  /** Whether every storage has told this catalog once what it has. */
  get isListed (): boolean {
    return !this.#keepers.some(({ listing }) => listing.isMissing)
  }

  /** Why a storage could not tell what it has when it was last asked, or null. */
  get failure (): { error: unknown } | null {
    return this.#keepers.map(({ listing }) => listing.failure).find(failure => failure !== null) ?? null
  }

  /** @throws why a storage never told what it has, in a catalog that is new */
  requireListed (): void {
    for (const { listing: { isMissing, failure } } of this.#keepers) {
      if (isMissing && failure !== null) throw failure.error
    }
  }

  /** Enters all that the storages have in the catalog. @throws the first storage's error where all of them fail */
  async rebuild (): Promise<RebuildResult> {
    const outcomes = await Promise.allSettled(this.#keepers.map(async keeper => await keeper.listing.listAnew()))
    const storages = outcomes.map((outcome, index) => {
      const storage = (this.#keepers[index] as StorageKeeper).name
      return outcome.status === 'fulfilled' ? { storage, ...outcome.value, error: null } : { storage, snapshots: 0, added: 0, unreadable: [], error: messageOf(outcome.reason) }
    })
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected' && outcomes.every(({ status }) => status === 'rejected')) throw outcome.reason
    }
    this.wake()
    return { added: storages.reduce((sum, { added }) => sum + added, 0), storages }
  }

  /** Makes all copies that are missing now. @throws the first failure, once all storages were tried */
  async complete (): Promise<void> {
    const outcomes = await Promise.allSettled(this.#keepers.map(async keeper => { await keeper.complete() }))
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') throw outcome.reason
    }
  }

  async finish (): Promise<void> {
    await Promise.all(this.#keepers.map(async keeper => { await keeper.finish() }))
  }

  stop (): void {
    for (const keeper of this.#keepers) keeper.stop()
  }
}
