import { lastIntegrityCheck } from '../catalog/integrity-checks.ts'
import { snapshotSettings, type SnapshotOptions } from '../options.ts'
import { requireFit } from '../schemas/fit.ts'
import { IntegrityBody } from '../schemas/requests.ts'
import { checkLiveDatabase, foundMissing } from './check-live-database.ts'
import { SnapshotContext } from './context.ts'
import type { DatabaseIntegrity } from './outcomes.ts'

/** Judges the live database, and brings it back. It works with and without Fastify. */
export class SnapshotRecovery {
  readonly #context: SnapshotContext
  /** Checks under way: whoever asks meanwhile gets the same one. */
  readonly #checks = new Map<'quick' | 'full', Promise<DatabaseIntegrity>>()

  /** @throws FST_SNAPSHOT_INVALID_OPTION, FST_SNAPSHOT_CATALOG_UNUSABLE */
  constructor (options: SnapshotOptions = {}) {
    // Within the package writer and recovery share a context; its type is none of the applications'.
    this.#context = options instanceof SnapshotContext ? options : new SnapshotContext(snapshotSettings(options))
  }

  /**
   * Checks the live database, in a process of its own, while the application goes on. A missing or unreadable file is
   * unhealthy; what SQLite cannot judge outside the application is listed as `unchecked` and is no damage.
   * @param options `mode`: `quick`, the default, or `full`, which also compares every index with its table
   * @throws FST_SNAPSHOT_DATABASE_LOCKED, FST_SNAPSHOT_DATABASE_UNWRITABLE: the database could not be judged;
   * FST_SNAPSHOT_INVALID_REQUEST, FST_SNAPSHOT_CANCELLED (it is being closed, or was)
   */
  async validateDatabaseIntegrity (options: { mode?: 'quick' | 'full' } = {}): Promise<DatabaseIntegrity> {
    requireFit(IntegrityBody, options, 'options')
    this.#context.catalog.requireOpen()
    const { mode = 'quick' } = options
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

  async #check (mode: 'quick' | 'full'): Promise<DatabaseIntegrity> {
    const { logger, queue, target } = this.#context
    const integrity = await queue.runBeside(async signal => await checkLiveDatabase(this.#context, mode, signal))
    if (!integrity.isHealthy) logger.error({ errors: integrity.errors }, foundMissing(integrity, target.path) ? 'The database is missing' : 'The database failed its integrity check')
    return integrity
  }

  /** Cancels or awaits what is under way and closes the catalog. */
  async close (): Promise<void> {
    await this.#context.close()
  }
}
