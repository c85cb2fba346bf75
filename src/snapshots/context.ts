import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Catalog } from '../catalog/catalog.ts'
import { runEngine } from '../engine/engine.ts'
import type { Target } from '../engine/target-database.ts'
import { listedStorages } from '../catalog/storage-states.ts'
import { CatalogUnusableError, messageOf } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { SnapshotSettings } from '../options.ts'
import type { StorageSettings } from '../options-storages.ts'
import { ObservedStorage } from '../storage/observed-storage.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import { ThrottledStorage } from '../storage/throttled-storage.ts'
import { claimPlaces, requireClaim } from './claim.ts'
import { OperationQueue } from './operation-queue.ts'
import { StorageReports } from './replicas/storage-reports.ts'

/** How long an operation waits for another process that works on the same snapshots. */
const OTHER_PROCESS_TIMEOUT_MS = 30_000
const QUEUE_LIMIT = 32
const WAL_LIMIT_BYTES = 4 * 1024 * 1024

/** What everything that works on the snapshots of one database shares. */
export class SnapshotContext {
  readonly settings: SnapshotSettings
  readonly catalog: Catalog
  /** Where snapshots are stored, in the order in which they are read. */
  readonly storages: readonly StorageSettings[]
  /** Those without which a creation or a deletion has not happened. */
  readonly required: readonly SnapshotStorage[]
  /** The first required one: what is there may be shared by new snapshots. */
  readonly primary: SnapshotStorage
  readonly reports: StorageReports
  /** Whether what an earlier process left unfinished was settled since this one began. */
  isSettled = false
  /** The storages that the catalog had been told of when this process began. */
  readonly knownStorages: ReadonlySet<string>
  readonly queue: OperationQueue
  readonly logger: Logger
  /** The application's database. */
  readonly target: Target
  /** Held by an engine that changes the application's database. */
  readonly engineLockFile: string
  /** For files that live no longer than an operation; swept when an operation finds interrupted work. */
  readonly temporaryDir: string
  /** What is known of the pages of the last snapshot; it may be lost at any time. */
  readonly pageCacheFile: string
  /** Runs a task in a process of its own; a test may put a failing disk in between. */
  runEngine = runEngine

  /** @throws FST_SNAPSHOT_INVALID_OPTION, FST_SNAPSHOT_CATALOG_UNUSABLE */
  constructor (settings: SnapshotSettings) {
    const { snapshotDir, databaseName, maxBytesPerSecond } = settings
    this.settings = { ...settings, recoveryDir: claimPlaces(settings) }
    this.logger = settings.logger
    this.target = { path: settings.database, lockTimeoutMs: settings.lockTimeout }
    this.temporaryDir = join(snapshotDir, '.tmp', databaseName)
    this.pageCacheFile = join(snapshotDir, '.cache', `${databaseName}.pages`)
    this.engineLockFile = join(snapshotDir, '.locks', `${databaseName}.engine.lock`)
    this.catalog = Catalog.open(snapshotDir)
    this.reports = new StorageReports(this.catalog, databaseName, this.logger)
    this.storages = settings.storages.map(({ storage, ...rest }) => {
      const limited = maxBytesPerSecond === undefined ? storage : new ThrottledStorage(storage, maxBytesPerSecond)
      return { ...rest, storage: new ObservedStorage(limited, error => { this.reports.report(storage.name, error) }) }
    })
    this.knownStorages = knownStorages(this.catalog, databaseName)
    this.required = this.storages.filter(({ isRequired }) => isRequired).map(({ storage }) => storage)
    this.primary = this.required[0] as SnapshotStorage
    this.queue = new OperationQueue({
      lockFile: join(snapshotDir, '.locks', `${databaseName}.lock`),
      engineLockFile: this.engineLockFile,
      timeoutMs: OTHER_PROCESS_TIMEOUT_MS,
      limit: QUEUE_LIMIT,
      onBegin: () => { requireClaim(settings) }
    })
  }

  /** The storage of a name, or undefined where none is configured under it. */
  storageNamed (name: string): SnapshotStorage | undefined {
    return this.storages.find(({ storage }) => storage.name === name)?.storage
  }

  /** A path for a file that lives no longer than an operation. */
  temporaryFile (name: string): string {
    mkdirSync(this.temporaryDir, { recursive: true, mode: 0o700 })
    return join(this.temporaryDir, name)
  }

  /** Moves the catalog's log into its file, outside the host, when it has grown beyond a limit. What fails is tried again the next time. */
  async tidyCatalog (limitBytes = WAL_LIMIT_BYTES): Promise<void> {
    try {
      if (this.catalog.walBytes > limitBytes) await this.runEngine('checkpoint', { path: this.catalog.path })
    } catch (error) {
      this.logger.warn({ err: error }, `The catalog's log was not moved into its file yet: ${messageOf(error)}`)
    }
  }

  /**
   * Looks for damage of the catalog, and makes its indexes anew where one is wrong.
   * @throws FST_SNAPSHOT_CATALOG_UNUSABLE where that is not enough
   */
  async mendCatalog (): Promise<void> {
    const { path } = this.catalog
    const { found, left } = await this.runEngine('mend-catalog', { path })
    if (left.length > 0) throw new CatalogUnusableError(path, left.slice(0, 3).join('; '))
    if (found.length > 0) this.logger.error({ path, errors: found }, 'The catalog was damaged, and its indexes were made anew. Its disk may be damaged')
  }

  async close (): Promise<void> {
    await this.queue.close()
    this.catalog.close()
  }
}

/** An application starts also with a catalog that cannot be read; whatever asks it then says so. */
function knownStorages (catalog: Catalog, database: string): Set<string> {
  try {
    return listedStorages(catalog, database)
  } catch {
    return new Set()
  }
}
