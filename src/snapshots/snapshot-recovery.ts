import { lastIntegrityCheck } from '../catalog/integrity-checks.ts'
import { snapshotSettings, type SnapshotOptions } from '../options.ts'
import { requireFit } from '../schemas/fit.ts'
import { IntegrityBody, PathArgument, SalvageArguments } from '../schemas/requests.ts'
import { checkLiveDatabase, foundMissing } from './check-live-database.ts'
import { SnapshotContext } from './context.ts'
import type { DatabaseIntegrity, SalvageResult } from './outcomes.ts'
import { salvageFile } from './salvage-file.ts'

export interface IntegrityOptions {
  /** `quick`, the default, or `full`, which also compares every index with its table. */
  mode?: 'quick' | 'full'
  /** Whether rows that refer to rows which are not there count as damage. Default false. */
  foreignKeys?: boolean
}

export interface SalvageOptions {
  /** Path of the new database; nothing may be there. Default: a new file in the recovery folder. */
  destination?: string
  /** Milliseconds after which no more rows are read. Default one hour. */
  timeLimit?: number
}

/** Judges the live database, and brings it back. It works with and without Fastify. */
export class SnapshotRecovery {
  readonly #context: SnapshotContext
  /** Checks under way: whoever asks meanwhile gets the same one. */
  readonly #checks = new Map<string, Promise<DatabaseIntegrity>>()

  /** @throws FST_SNAPSHOT_INVALID_OPTION, FST_SNAPSHOT_CATALOG_UNUSABLE */
  constructor (options: SnapshotOptions = {}) {
    // Within the package writer and recovery share a context; its type is none of the applications'.
    this.#context = options instanceof SnapshotContext ? options : new SnapshotContext(snapshotSettings(options))
  }

  /**
   * Checks the live database, in a process of its own, while the application goes on. A missing or unreadable file is
   * unhealthy; what SQLite cannot judge outside the application is listed as `unchecked` and is no damage.
   * @throws FST_SNAPSHOT_DATABASE_LOCKED, FST_SNAPSHOT_DATABASE_UNWRITABLE: the database could not be judged;
   * FST_SNAPSHOT_INVALID_REQUEST, FST_SNAPSHOT_CANCELLED (it is being closed, or was)
   */
  async validateDatabaseIntegrity (options: IntegrityOptions = {}): Promise<DatabaseIntegrity> {
    requireFit(IntegrityBody, options, 'options')
    this.#context.catalog.requireOpen()
    const { mode = 'quick', foreignKeys = false } = options
    const key = `${mode} ${foreignKeys}`
    const underWay = this.#checks.get(key)
    if (underWay !== undefined) return await underWay
    const check = this.#check(mode, foreignKeys).finally(() => { this.#checks.delete(key) })
    this.#checks.set(key, check)
    return await check
  }

  /** The outcome of the last check, or null before the first. */
  lastIntegrityCheck (): DatabaseIntegrity | null {
    const { catalog, settings: { databaseName } } = this.#context
    return lastIntegrityCheck(catalog, databaseName) ?? null
  }

  /**
   * Copies what can still be read of a damaged database file into a new one, table by table, and reports what could not. The
   * file itself is only read; of the live database a copy is read.
   * @param path relative to the working directory
   * @throws FST_SNAPSHOT_DESTINATION_TAKEN, FST_SNAPSHOT_DATABASE_MISSING, FST_SNAPSHOT_NOT_A_DATABASE (an empty file), FST_SNAPSHOT_NO_ROOM
   */
  async salvage (path: string, options: SalvageOptions = {}): Promise<SalvageResult> {
    requireFit(PathArgument, path, 'path')
    requireFit(SalvageArguments, options, 'options')
    this.#context.catalog.requireOpen()
    return await this.#context.queue.runBeside(async signal => await salvageFile(this.#context, path, options, signal))
  }

  async #check (mode: 'quick' | 'full', foreignKeys: boolean): Promise<DatabaseIntegrity> {
    const { logger, queue, target } = this.#context
    const integrity = await queue.runBeside(async signal => await checkLiveDatabase(this.#context, mode, signal, foreignKeys))
    if (!integrity.isHealthy) logger.error({ errors: integrity.errors }, foundMissing(integrity, target.path) ? 'The database is missing' : 'The database failed its integrity check')
    return integrity
  }

  /** Cancels or awaits what is under way and closes the catalog. */
  async close (): Promise<void> {
    await this.#context.close()
  }
}
