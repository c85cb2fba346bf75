import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { SnapshotRow } from '../catalog/schema.ts'
import { findLatest, findSnapshot, pageOfSnapshots, updateSnapshotRow } from '../catalog/snapshots.ts'
import { InvalidNameError, InvalidRequestError, messageOf, NotFoundError, NotRestorableError } from '../errors.ts'
import { marksKey } from '../format/keys.ts'
import { encodeMarks } from '../format/marks.ts'
import { snapshotSettings, type SnapshotOptions } from '../options.ts'
import { requireFit } from '../schemas/fit.ts'
import { CreateArguments, KeepLast, ListArguments, PathArgument, RestoreArguments, SnapshotQuery, UpdateBody } from '../schemas/requests.ts'
import { SnapshotContext } from './context.ts'
import { createSnapshot } from './create-snapshot.ts'
import { deleteSnapshot } from './delete-snapshot.ts'
import { requireRoom } from './disk-space.ts'
import { notingDamage } from './record-damage.ts'
import { removeDatabase } from './remove-database.ts'
import { healthOf } from './health.ts'
import type { FileRestoreResult, Health, RestoreResult, Verification } from './outcomes.ts'
import { requireRestorable, restoreSnapshot } from './restore-snapshot.ts'
import { restoreToFile } from './restore-to-file.ts'
import { applyRetention } from './retention.ts'
import { settleInterrupted } from './settle.ts'
import { checkName } from './snapshot-name.ts'
import { SnapshotRecovery } from './snapshot-recovery.ts'
import { toSnapshot, type Snapshot } from './snapshot.ts'
import { readManifest, stage } from './stored-snapshot.ts'
import { verifySnapshot } from './verify-snapshot.ts'

export interface CreateOptions {
  /** Words of one's own, kept with the snapshot. */
  labels?: Record<string, string>
  /** Store everything anew, sharing nothing with earlier snapshots. Default false: only pages that changed since the last one are stored. */
  full?: boolean
  /** Keep a snapshot of a damaged database as evidence. Default: the option of the same name. */
  allowDamaged?: boolean
  /** Who asked for it; scheduled snapshots are removed when newer ones have come. Default `manual`. */
  trigger?: Snapshot['trigger']
  /** Called when the snapshot's place is taken, with status CREATING. */
  onCreating?: (snapshot: Snapshot) => void
}

export interface ListOptions {
  /** Snapshots on one page, 1 to 1000. Default 100. */
  limit?: number
  /** `nextCursor` of the page before. */
  cursor?: string
  status?: Snapshot['status']
  /** `desc`, the default: the newest first. */
  order?: 'asc' | 'desc'
}

/** Which snapshot `latest` is. */
export interface LatestOptions {
  /** With `latest`: the newest one that is not younger than this ISO 8601 time. A name or an id means the same with it. */
  before?: string
}

export interface RestoreOptions extends LatestOptions {
  /** Restore also a snapshot of a damaged database, kept as evidence. Default false. */
  allowDamaged?: boolean
}

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
  readonly #context: SnapshotContext
  #isFirst = true

  /** @throws FST_SNAPSHOT_INVALID_OPTION, FST_SNAPSHOT_CATALOG_UNUSABLE */
  constructor (options: SnapshotOptions = {}) {
    // Within the package writer and recovery share a context; its type is none of the applications'.
    this.#context = options instanceof SnapshotContext ? options : new SnapshotContext(snapshotSettings(options))
    this.recovery = new SnapshotRecovery(this.#context)
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
    if (name !== undefined) checkName(requireText(name))
    return await this.#run(async signal => await createSnapshot(this.#context, { name, labels, trigger, allowDamaged, full, ...(onCreating && { onCreating }) }, signal))
  }

  /** Creates a scheduled snapshot and removes those beyond the newest `keepLast`. */
  async createScheduledSnapshot (keepLast: number): Promise<Snapshot> {
    requireFit(KeepLast, keepLast, 'keepLast')
    return await this.#run(async signal => {
      const snapshot = await createSnapshot(this.#context, { name: undefined, labels: {}, trigger: 'scheduled', allowDamaged: false, full: false }, signal)
      await applyRetention(this.#context, keepLast)
      return snapshot
    })
  }

  /** One page of the snapshots, those that failed included. */
  async listSnapshots (options: ListOptions = {}): Promise<{ snapshots: Snapshot[], nextCursor: string | null }> {
    requireFit(ListArguments, options, 'options')
    const { limit = 100, cursor, status, order = 'desc' } = options
    const { catalog, settings: { databaseName } } = this.#context
    const { rows, more } = pageOfSnapshots(catalog, databaseName, { limit, order, ...(status && { status }), ...(cursor !== undefined && { after: decodeCursor(cursor) }) })
    const last = rows.at(-1)
    return { snapshots: rows.map(toSnapshot), nextCursor: more && last !== undefined ? `${last.sequence}.${last.id}` : null }
  }

  /** @throws FST_SNAPSHOT_NOT_FOUND */
  async getSnapshot (reference: string, options: LatestOptions = {}): Promise<Snapshot> {
    return toSnapshot(this.#find(reference, options))
  }

  /** Pins or unpins a snapshot, or replaces its labels. @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE (nothing is stored of it) */
  async updateSnapshot (reference: string, change: { pinned?: boolean, labels?: Record<string, string> }, options: LatestOptions = {}): Promise<Snapshot> {
    requireFit(UpdateBody, change, 'change')
    const { id } = this.#find(reference, options)
    return await this.#run(async () => {
      const { storage, catalog } = this.#context
      const row = this.#find(id)
      requireStored(row)
      const { pinned, labels } = { ...row, ...change }
      const revision = row.marksRevision + 1
      await storage.put(marksKey(row.database, row.id), encodeMarks({ revision, pinned, labels, deletedAt: null }))
      return toSnapshot(updateSnapshotRow(catalog, row.id, { pinned, labels, marksRevision: revision }) as SnapshotRow)
    })
  }

  /** Deletes a snapshot for good. @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_PINNED */
  async deleteSnapshot (reference: string, options: LatestOptions = {}): Promise<void> {
    const { id } = this.#find(reference, options)
    await this.#run(async () => { await deleteSnapshot(this.#context, this.#find(id)) })
  }

  /**
   * Replaces the content of the live database by a snapshot's, while the application runs. The content from before is kept
   * as `preRestoreBackup`. A failure leaves or brings back the old content.
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE, FST_SNAPSHOT_DAMAGED, FST_SNAPSHOT_DATABASE_*,
   * FST_SNAPSHOT_NO_ROOM, FST_SNAPSHOT_RESTORE_FAILED
   */
  async restoreFromSnapshot (reference: string, options: RestoreOptions = {}): Promise<RestoreResult> {
    const id = this.#findRestorable(reference, options)
    return await this.#run(async signal => await restoreSnapshot(this.#context, this.#requireRestorable(id, options), signal))
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
    const id = this.#findRestorable(reference, options)
    return await this.#run(async signal => await restoreToFile(this.#context, this.#requireRestorable(id, options), path, signal))
  }

  /** Reads back every stored byte of a snapshot. Damage is an outcome, not an error. @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE */
  async verifySnapshot (reference: string, options: LatestOptions = {}): Promise<Verification> {
    const { id } = this.#find(reference, options)
    return await this.#run(async signal => await verifySnapshot(this.#context, this.#find(id), signal))
  }

  /**
   * The plain database file of a snapshot, every byte of it checked before the first one is given out.
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_NOT_RESTORABLE, FST_SNAPSHOT_DAMAGED, FST_SNAPSHOT_NO_ROOM
   */
  async downloadSnapshot (reference: string, options: LatestOptions = {}): Promise<{ snapshot: Snapshot, stream: Readable }> {
    const { id } = this.#find(reference, options)
    return await this.#run(async signal => {
      const row = this.#find(id)
      requireRestorable(row, true)
      const manifest = await notingDamage(this.#context, row, async () => await readManifest(this.#context, row))
      const file = this.#context.temporaryFile(`download-${randomUUID()}.db`)
      await requireRoom([{ folder: this.#context.temporaryDir, bytes: manifest.image.size, what: 'the file to send' }])
      try {
        await notingDamage(this.#context, row, async () => await stage(this.#context, manifest, file, false, signal))
        const handle = await open(file)
        return { snapshot: toSnapshot(row), stream: handle.createReadStream({ highWaterMark: 256 * 1024 }) }
      } finally {
        removeDatabase(file) // the open stream keeps the content
      }
    })
  }

  /** The state of the database and its snapshots, as last known. */
  health (): Health {
    return healthOf(this.#context)
  }

  /** Settles what a killed process left unfinished; every operation does that first, too. */
  async settle (): Promise<void> {
    this.#context.catalog.requireOpen()
    await this.#context.queue.run(async () => { await this.#settle() })
  }

  /** Begins nothing any more, cancels what may be cancelled, and waits for the rest. Reading stays possible. */
  async drain (): Promise<void> {
    await this.#context.queue.close()
  }

  /** The same, and closes the catalog. Nothing can be asked of it afterwards. */
  async close (): Promise<void> {
    await this.#context.close()
  }

  async #run<T> (operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#context.catalog.requireOpen()
    return await this.#context.queue.run(async signal => {
      await this.#settle().catch((error: unknown) => {
        this.#context.logger.warn({ err: error }, `What an earlier process left was not settled yet: ${messageOf(error)}`)
      })
      try {
        return await operation(signal)
      } finally {
        await this.#context.tidyCatalog().catch((error: unknown) => {
          this.#context.logger.warn({ err: error }, `The catalog's log was not moved into its file yet: ${messageOf(error)}`)
        })
      }
    })
  }

  async #settle (): Promise<void> {
    await settleInterrupted(this.#context, this.#isFirst)
    this.#isFirst = false
  }

  #findRestorable (reference: string, options: RestoreOptions): string {
    requireFit(RestoreArguments, options, 'options')
    const { allowDamaged, ...latest } = options
    return this.#requireRestorable(this.#find(reference, latest).id, options).id
  }

  /** Asked again when its turn has come: by then it may be another one. */
  #requireRestorable (id: string, { allowDamaged = false }: RestoreOptions): SnapshotRow {
    const row = this.#find(id)
    requireRestorable(row, allowDamaged)
    return row
  }

  #find (reference: string, latest: LatestOptions = {}): SnapshotRow {
    requireFit(SnapshotQuery, latest, 'options')
    return requireText(reference) === 'latest' ? this.#findLatest(latest) : this.#findNamed(reference)
  }

  #findLatest ({ before }: LatestOptions): SnapshotRow {
    const { catalog, settings: { databaseName } } = this.#context
    const row = findLatest(catalog, databaseName, before && moment(before))
    if (row === undefined) throw new NotFoundError(before === undefined ? 'sound snapshot yet; create one first' : `sound snapshot from before ${before}; list the snapshots to see their times`)
    return row
  }

  #findNamed (reference: string): SnapshotRow {
    const { catalog, settings: { databaseName } } = this.#context
    const row = findSnapshot(catalog, databaseName, reference)
    if (row === undefined) throw new NotFoundError(`snapshot ${JSON.stringify(reference)}; list the snapshots to see their names`)
    return row
  }
}

/** @throws FST_SNAPSHOT_INVALID_NAME, as callers without types may give anything */
function requireText (name: string): string {
  if (typeof name !== 'string') throw new InvalidNameError(`(${typeof name})`, 'a name is a text')
  return name
}

function requireStored (row: SnapshotRow): void {
  if (row.status === 'FAILED' || row.status === 'CREATING') throw new NotRestorableError(row.name, `its status is ${row.status}, nothing is stored of it`)
}

function decodeCursor (cursor: string): { sequence: number, id: string } {
  const [sequence = '', id = ''] = cursor.split('.')
  return { sequence: Number(sequence), id }
}

/** A time in the catalog's form. Times are compared as text there, so they must all have one. */
function moment (time: string): string {
  const parsed = new Date(time)
  if (Number.isNaN(parsed.getTime())) throw new InvalidRequestError(`before: ${time} is not a time`)
  return parsed.toISOString()
}
