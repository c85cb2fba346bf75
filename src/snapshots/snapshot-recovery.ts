import { lastIntegrityCheck } from '../catalog/integrity-checks.ts'
import type { CheckMode } from '../engine/check-integrity.ts'
import { snapshotSettings, type SnapshotOptions } from '../options.ts'
import { checkLiveDatabase, type DatabaseIntegrity } from './check-live-database.ts'
import { SnapshotContext } from './context.ts'

/** Judges the live database, and brings it back. It works with and without Fastify. */
export class SnapshotRecovery {
  readonly #context: SnapshotContext
  /** Checks under way: whoever asks meanwhile gets the same one. */
  readonly #checks = new Map<CheckMode, Promise<DatabaseIntegrity>>()

  /** @throws FST_SNAPSHOT_INVALID_OPTION */
  constructor (options: SnapshotOptions | SnapshotContext = {}) {
    this.#context = options instanceof SnapshotContext ? options : new SnapshotContext(snapshotSettings(options))
  }

  /**
   * Checks the live database, in a process of its own, while the application goes on. A missing or unreadable file is
   * unhealthy; what SQLite cannot judge outside the application is listed as `unchecked` and is no damage.
   * @param mode `quick`, the default, or `full`, which also compares every index with its table
   * @throws FST_SNAPSHOT_DATABASE_LOCKED, FST_SNAPSHOT_DATABASE_UNWRITABLE: the database could not be judged
   */
  async validateDatabaseIntegrity ({ mode = 'quick' }: { mode?: CheckMode } = {}): Promise<DatabaseIntegrity> {
    const underWay = this.#checks.get(mode)
    if (underWay !== undefined) return await underWay
    const check = this.#check(mode).finally(() => { this.#checks.delete(mode) })
    this.#checks.set(mode, check)
    return await check
  }

  /** The outcome of the last check, or null before the first. */
  lastIntegrityCheck (): DatabaseIntegrity | null {
    const { catalog, settings: { databaseName } } = this.#context
    return lastIntegrityCheck(catalog, databaseName) ?? null
  }

  async #check (mode: CheckMode): Promise<DatabaseIntegrity> {
    const { schemaCookie, ...integrity } = await this.#context.queue.runBeside(async signal => await checkLiveDatabase(this.#context, mode, signal))
    if (!integrity.isHealthy) this.#context.logger.error({ errors: integrity.errors }, 'The database failed its integrity check')
    return integrity
  }

  /** Cancels or awaits what is under way and closes the catalog. */
  async close (): Promise<void> {
    await this.#context.close()
  }
}
