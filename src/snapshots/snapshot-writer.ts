import type { Readable } from 'node:stream'
import type { DatabaseContents, DatabaseDiff } from '../engine/tables/reports.ts'
import type { SnapshotRow } from '../catalog/schema.ts'
import { restoresUnderWay } from '../catalog/restores.ts'
import { snapshotSettings, type SnapshotOptions } from '../options.ts'
import { requireFit } from '../schemas/fit.ts'
import { CreateArguments, KeepLast, ListArguments, PathArgument, RestoreTablesArguments, SourceArgument, TablesArgument, UpdateBody } from '../schemas/requests.ts'
import { SnapshotContext } from './context.ts'
import { createSnapshot, type CreateRequest } from './create-snapshot.ts'
import { deleteSnapshot } from './delete-snapshot.ts'
import { downloadSnapshot } from './download-snapshot.ts'
import { findRestorable, findSnapshotBy, presentRestorable, presentSnapshot } from './find-snapshot.ts'
import { healthOf } from './health.ts'
import { listSnapshots } from './list-snapshots.ts'
import { maintenanceState } from './maintenance-state.ts'
import { MaintenanceMode } from './maintenance.ts'
import { noteJobDone } from './note-job-done.ts'
import type { FileRestoreResult, Health, RebuildResult, RestoreResult, TablesRestoreResult, Verification } from './outcomes.ts'
import { adoptSnapshots } from './rebuild/adopt-snapshots.ts'
import { Replicas } from './replicas/replicas.ts'
import { restoreSnapshot } from './restore-snapshot.ts'
import { restoreToFile } from './restore-to-file.ts'
import { restoreTables } from './restore-tables.ts'
import { applyAfterCreation } from './retention/apply-retention.ts'
import { runChange, runOperation, settle } from './run-operation.ts'
import { checkName } from './snapshot-name.ts'
import { SnapshotDrills } from './snapshot-drills.ts'
import { SnapshotRecovery } from './snapshot-recovery.ts'
import { SnapshotRetention } from './snapshot-retention.ts'
import { diffSnapshot, inspectSnapshot } from './snapshot-tables.ts'
import { toSnapshot, type LatestOptions, type Snapshot } from './snapshot.ts'
import { updateSnapshot } from './update-snapshot.ts'
import { verifyNext, verifySnapshot } from './verify-snapshot.ts'
import type { CreateOptions, ListOptions, RestoreOptions, RestoreTablesOptions } from './writer-options.ts'

/**
 * Creates, lists, restores, verifies and deletes the snapshots of one database. It works with and without Fastify:
 *
 * ```js
 * const writer = new SnapshotWriter() // DATABASE_URL and SNAPSHOT_DIR from the environment
 * await writer.createSnapshot('before_migration')
 * await writer.close()
 * ```
 *
 * A snapshot is named by its name, its id, or `latest`; what `latest` is, is settled when a method is called. Every method
 * may throw FST_SNAPSHOT_INVALID_REQUEST (a wrong argument), FST_SNAPSHOT_BUSY (another process works on these snapshots),
 * FST_SNAPSHOT_QUEUE_FULL and FST_SNAPSHOT_CANCELLED (it is being closed, or was).
 */
export class SnapshotWriter {
  readonly recovery: SnapshotRecovery
  /** Whether the application takes changes. */
  readonly maintenance: MaintenanceMode
  readonly retention: SnapshotRetention
  readonly drills: SnapshotDrills
  readonly #context: SnapshotContext
  readonly #replicas: Replicas

  /** @throws FST_SNAPSHOT_INVALID_OPTION, FST_SNAPSHOT_CATALOG_UNUSABLE */
  constructor (options: SnapshotOptions = {}) {
    // Within the package writer and recovery share a context; its type is none of the applications'.
    this.#context = options instanceof SnapshotContext ? options : new SnapshotContext(snapshotSettings(options))
    this.#replicas = new Replicas(this.#context)
    this.recovery = new SnapshotRecovery(this.#context)
    this.retention = new SnapshotRetention(this.#context, this.#replicas)
    this.drills = new SnapshotDrills(this.#context, this.#replicas)
    this.maintenance = new MaintenanceMode(maintenanceState(this.#context))
  }

  /**
   * Takes a snapshot of the database as it is at one moment, while the application goes on.
   * @param name default: the database's name and the time
   * @throws FST_SNAPSHOT_INVALID_NAME, FST_SNAPSHOT_INVALID_REQUEST, FST_SNAPSHOT_NAME_TAKEN, FST_SNAPSHOT_DATABASE_* (missing, damaged, locked,
   * unwritable), FST_SNAPSHOT_NOT_A_DATABASE, FST_SNAPSHOT_NO_ROOM, FST_SNAPSHOT_CREATE_FAILED. But for the first three, a
   * failure is also kept as a snapshot with status FAILED.
   */
  async createSnapshot (name?: string, options: CreateOptions = {}): Promise<Snapshot> {
    requireFit(CreateArguments, options, 'options')
    const { labels = {}, trigger = 'manual', allowDamaged = this.#context.settings.allowDamaged, full = false, onCreating } = options
    if (name !== undefined) checkName(name)
    return await this.#create({ name, labels, trigger, allowDamaged, full, ...(onCreating && { onCreating }) })
  }

  /** Creates a snapshot as the schedule does. @param keepLast rules of its own: only so many scheduled snapshots are kept */
  async createScheduledSnapshot (keepLast?: number): Promise<Snapshot> {
    if (keepLast !== undefined) requireFit(KeepLast, keepLast, 'keepLast')
    const { retention } = this.#context.settings
    return await this.#create({ name: undefined, labels: {}, trigger: 'scheduled', allowDamaged: false, full: false }, keepLast === undefined ? retention : { ...retention, scheduled: { keepLast } })
  }

  /** One page of the snapshots, those that failed included. */
  async listSnapshots (options: ListOptions = {}): Promise<{ snapshots: Snapshot[], nextCursor: string | null }> {
    requireFit(ListArguments, options, 'options')
    await this.#replicas.known()
    return listSnapshots(this.#context, options)
  }

  /** @throws FST_SNAPSHOT_NOT_FOUND */
  async getSnapshot (reference: string, options: LatestOptions = {}): Promise<Snapshot> {
    return toSnapshot(await this.#find(reference, options))
  }

  /**
   * Pins or unpins a snapshot, or replaces its labels.
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE (nothing is stored of it), FST_SNAPSHOT_NOT_OWN
   */
  async updateSnapshot (reference: string, change: { pinned?: boolean, labels?: Record<string, string> }, options: LatestOptions = {}): Promise<Snapshot> {
    requireFit(UpdateBody, change, 'change')
    await this.#replicas.known() // the change is to reach every copy
    const { id } = await this.#find(reference, options)
    return await this.#run(async () => toSnapshot(await updateSnapshot(this.#context, presentSnapshot(this.#context, id), change)))
  }

  /** Deletes a snapshot for good, in all storages. @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_PINNED, FST_SNAPSHOT_NOT_OWN */
  async deleteSnapshot (reference: string, options: LatestOptions = {}): Promise<void> {
    await this.#replicas.known() // every copy is to go
    const { id } = await this.#find(reference, options)
    await this.#run(async () => { await deleteSnapshot(this.#context, presentSnapshot(this.#context, id)) })
  }

  /**
   * Replaces the content of the live database by a snapshot's, while the application runs. The content from before is kept
   * as `preRestoreBackup`. A failure leaves or brings back the old content.
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE, FST_SNAPSHOT_DAMAGED, FST_SNAPSHOT_DATABASE_*,
   * FST_SNAPSHOT_NO_ROOM, FST_SNAPSHOT_RESTORE_FAILED
   */
  async restoreFromSnapshot (reference: string, options: RestoreOptions = {}): Promise<RestoreResult> {
    const { id } = await findRestorable(this.#context, this.#replicas, reference, options)
    return await this.#change(async signal => await restoreSnapshot(this.#context, presentRestorable(this.#context, id, options), signal))
  }

  /**
   * Brings a snapshot as a plain database file to a path where nothing is; folders are made. The file is there, for its owner
   * only, once every byte is verified, SQLite's quick_check has passed, and all of it is on disk. The live database is not touched.
   * @param path relative to the working directory
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE, FST_SNAPSHOT_DESTINATION_TAKEN, FST_SNAPSHOT_DAMAGED,
   * FST_SNAPSHOT_NO_ROOM, FST_SNAPSHOT_RESTORE_FAILED
   */
  async restoreToFile (reference: string, path: string, options: RestoreOptions = {}): Promise<FileRestoreResult> {
    requireFit(PathArgument, path, 'path')
    const { id } = await findRestorable(this.#context, this.#replicas, reference, options)
    return await this.#run(async signal => await restoreToFile(this.#context, presentRestorable(this.#context, id, options), path, signal))
  }

  /**
   * Lists tables, row counts and schema of a snapshot.
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE, FST_SNAPSHOT_DAMAGED, FST_SNAPSHOT_NO_ROOM
   */
  async inspectSnapshot (reference: string, options: LatestOptions = {}): Promise<DatabaseContents> {
    const { id } = await this.#find(reference, options)
    return await this.#run(async signal => await inspectSnapshot(this.#context, presentSnapshot(this.#context, id), signal))
  }

  /**
   * Compares a snapshot with the live database, table by table: rows that only one of them has, and changed ones. In the
   * rollback-journal modes the application's writers wait meanwhile.
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE, FST_SNAPSHOT_DAMAGED, FST_SNAPSHOT_DATABASE_*, FST_SNAPSHOT_NO_ROOM
   */
  async diffSnapshot (reference: string, options: LatestOptions = {}): Promise<DatabaseDiff> {
    const { id } = await this.#find(reference, options)
    return await this.#run(async signal => await diffSnapshot(this.#context, presentSnapshot(this.#context, id), signal))
  }

  /**
   * Brings some tables of a snapshot into the live database, in one transaction in which foreign keys are checked, while the
   * application runs. The content from before is kept as `preRestoreBackup`. No trigger fires.
   * @param options `mode`: `replace`, the default, gives the tables the snapshot's rows; `missing-rows` adds those whose key is
   * not there
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE (a table that is not there or has other columns, a foreign key that
   * would be broken), FST_SNAPSHOT_DAMAGED, FST_SNAPSHOT_DATABASE_*, FST_SNAPSHOT_NO_ROOM, FST_SNAPSHOT_RESTORE_FAILED
   */
  async restoreTables (reference: string, tables: string[], options: RestoreTablesOptions = {}): Promise<TablesRestoreResult> {
    requireFit(TablesArgument, tables, 'tables')
    requireFit(RestoreTablesArguments, options, 'options')
    const { mode = 'replace', ...latest } = options
    const { id } = await this.#find(reference, latest)
    return await this.#change(async signal => await restoreTables(this.#context, presentSnapshot(this.#context, id), tables, mode, signal))
  }

  /** Reads back every stored byte of a snapshot, while other operations go on. Damage is an outcome, not an error. @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE */
  async verifySnapshot (reference: string, options: LatestOptions = {}): Promise<Verification> {
    const { id } = await this.#find(reference, options)
    return await this.#read(async signal => await verifySnapshot(this.#context, presentSnapshot(this.#context, id), signal))
  }

  /**
   * Verifies the snapshot of this deployment that was not verified for longest, in all its storages: called regularly, it
   * gets around. @returns null where there is none
   */
  async verifyNext (): Promise<Verification | null> {
    return await this.#read(async signal => await verifyNext(this.#context, signal))
  }

  /**
   * The plain database file of a snapshot, every byte of it checked before the first one is given out.
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE, FST_SNAPSHOT_DAMAGED, FST_SNAPSHOT_NO_ROOM
   */
  async downloadSnapshot (reference: string, options: LatestOptions = {}): Promise<{ snapshot: Snapshot, stream: Readable }> {
    const { id } = await this.#find(reference, options)
    return await this.#run(async signal => await downloadSnapshot(this.#context, presentSnapshot(this.#context, id), signal))
  }

  /**
   * Makes the catalog complete from what the storages have: snapshots it does not know, what others changed, copies that are
   * gone. It runs by itself where the catalog is new. A catalog whose own indexes are damaged gets new ones before.
   * @throws FST_SNAPSHOT_STORAGE_* where no storage can be read, FST_SNAPSHOT_CATALOG_UNUSABLE
   */
  async rebuildCatalog (): Promise<RebuildResult> {
    this.#context.catalog.requireOpen()
    return await this.#context.queue.runBeside(async () => {
      await this.#context.mendCatalog()
      return await this.#replicas.rebuild()
    })
  }

  /**
   * Takes over the snapshots of other deployments in the same storage. Only for one that is gone for good: from now on this one
   * counts, changes and deletes them.
   * @param source id of one deployment; default: all others
   * @returns how many there were
   */
  async adoptSnapshots (source?: string): Promise<number> {
    requireFit(SourceArgument, source ?? this.#context.catalog.source, 'source')
    await this.rebuildCatalog()
    return await this.#run(async signal => await adoptSnapshots(this.#context, source, signal))
  }

  /**
   * Waits until every storage has every snapshot it is to have. In the background that goes on by itself; a script that must
   * not end before calls this. @throws FST_SNAPSHOT_STORAGE_* where a storage does not take them
   */
  async completeReplicas (): Promise<void> {
    this.#context.catalog.requireOpen()
    await this.#replicas.complete()
  }

  /** The state of the database and its snapshots, as last known. */
  health (): Health {
    return healthOf(this.#context)
  }

  /** Whether the content of the live database is being replaced, by any process. */
  get isRestoring (): boolean {
    const { catalog, settings: { databaseName } } = this.#context
    return restoresUnderWay(catalog, databaseName).length > 0
  }

  /** Settles what a killed process left unfinished; every operation does that first, too. */
  async settle (): Promise<void> {
    await settle(this.#context)
    this.#replicas.wake()
  }

  /** From now on storages are tried out and looked at regularly, in the background. */
  watchStorages (): void {
    this.#replicas.watch()
  }

  /** Begins nothing any more, cancels what may be cancelled, copies to other storages included, and waits for the rest. Reading stays possible. */
  async drain (): Promise<void> {
    this.#replicas.stop()
    await Promise.all([this.#context.queue.close(), this.#replicas.finish()])
  }

  /**
   * Waits for copies to other storages that are being made, unless {@link drain} has cancelled them, and closes the catalog.
   * Nothing can be asked of it afterwards.
   */
  async close (): Promise<void> {
    await this.#replicas.finish()
    await this.drain()
    await this.#context.close()
  }

  async #create (request: CreateRequest, policy = this.#context.settings.retention): Promise<Snapshot> {
    await this.#replicas.knownIfLost()
    return await this.#run(async signal => {
      const snapshot = await createSnapshot(this.#context, request, signal)
      noteJobDone(this.#context, 'snapshots')
      await applyAfterCreation(this.#context, signal, policy)
      return snapshot
    })
  }

  async #run<T> (operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return await runOperation(this.#context, operation).finally(() => { this.#replicas.wake() })
  }

  /** Beside the operations. */
  async #read<T> (reading: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#context.catalog.requireOpen()
    return await this.#context.queue.runReading(reading).finally(() => { this.#replicas.wake() })
  }

  async #change<T> (change: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return await runChange(this.#context, change).finally(() => { this.#replicas.wake() })
  }

  async #find (reference: string, latest: LatestOptions = {}): Promise<SnapshotRow> {
    return await findSnapshotBy(this.#context, this.#replicas, reference, latest)
  }
}
