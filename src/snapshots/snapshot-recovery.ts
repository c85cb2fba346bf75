import { lastIntegrityCheck } from '../catalog/integrity-checks.ts'
import { lastChangeSince, lastRestoreOf, lastRestores } from '../catalog/restores.ts'
import type { RestoreRow } from '../catalog/schema.ts'
import { NotFoundError, RestoreFailedError } from '../errors.ts'
import { snapshotSettings, type SnapshotOptions } from '../options.ts'
import { requireFit } from '../schemas/fit.ts'
import { IntegrityBody, NameArgument, PathArgument, ResetArguments, RollbackArguments, SalvageArguments } from '../schemas/requests.ts'
import { tellHook } from './call-hook.ts'
import { checkLiveDatabase, foundMissing } from './check-live-database.ts'
import { SnapshotContext } from './context.ts'
import type { DatabaseIntegrity, PreRestoreBackup, RecordedRestore, RecoveryResult, ResetResult, RollbackResult, SalvageResult } from './outcomes.ts'
import { backupOf, findBackup, listBackups, removeOldBackups } from './pre-restore-backups.ts'
import { recordedChange } from './record-change.ts'
import { resetDatabase } from './reset-database.ts'
import { rollBack } from './roll-back.ts'
import { salvageFile } from './salvage-file.ts'
import { runChange } from './run-operation.ts'

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

export interface RollbackOptions {
  /** Name or path of a backup as {@link SnapshotRecovery.listPreRestoreBackups} gives it. Default: the newest from before a restore. */
  backup?: string
}

export interface ResetOptions {
  /**
   * What the database gets: the content of the newest snapshot that verifies and is sound, the default, or nothing but the
   * application's migrations.
   */
  from?: 'latest-snapshot' | 'empty'
}

const RESTORES_SHOWN = 100

/**
 * Judges the live database, and brings it back. It works with and without Fastify. Every method may throw what those of
 * {@link SnapshotWriter} may.
 */
export class SnapshotRecovery {
  readonly #context: SnapshotContext
  /** Checks under way: whoever asks for the same meanwhile gets the same one. */
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
    const check = this.#check({ mode, foreignKeys }).finally(() => { this.#checks.delete(key) })
    this.#checks.set(key, check)
    return await check
  }

  /** The outcome of the last check, or null before the first. */
  lastIntegrityCheck (): DatabaseIntegrity | null {
    const { catalog, settings: { databaseName } } = this.#context
    return lastIntegrityCheck(catalog, databaseName) ?? null
  }

  /** The contents from before restores, rollbacks and resets that are kept, the newest first. */
  listPreRestoreBackups (): PreRestoreBackup[] {
    return listBackups(this.#context)
  }

  /** The last hundred restores, rollbacks and resets, the newest first. */
  listRestores (): RecordedRestore[] {
    const { catalog, settings: { databaseName, recoveryDir } } = this.#context
    return lastRestores(catalog, databaseName, RESTORES_SHOWN).map(row => recorded(row, recoveryDir))
  }

  /**
   * Brings the content from before a restore back, after a safety copy of what is there now.
   * @throws FST_SNAPSHOT_NOT_FOUND, FST_SNAPSHOT_RESTORE_FAILED, FST_SNAPSHOT_DATABASE_*
   */
  async rollback (options: RollbackOptions = {}): Promise<RollbackResult> {
    requireFit(RollbackArguments, options, 'options')
    const { name } = findBackup(this.#context, options.backup)
    return await runChange(this.#context, async signal => await this.#rollBack(findBackup(this.#context, name), signal))
  }

  /**
   * After a restore that failed: makes sure that the database has the content from before it. A restore rolls back by itself;
   * this does what that could not, and tells what is the case. Where the database was rolled back, restored or reset since, it
   * changes nothing, so that it may be called again.
   * @param snapshot name of the snapshot that was being restored
   * @param error what the restore threw, for the log
   * @throws FST_SNAPSHOT_NOT_FOUND (there was no restore of that snapshot, or its backup was removed), FST_SNAPSHOT_INVALID_REQUEST,
   * FST_SNAPSHOT_RESTORE_FAILED (before it there was nothing that SQLite could read)
   */
  async recoverFromFailedRestore (snapshot: string, error?: unknown): Promise<RecoveryResult> {
    requireFit(NameArgument, snapshot, 'snapshot')
    return await runChange(this.#context, async signal => {
      const { catalog, logger, settings: { databaseName, recoveryDir } } = this.#context
      const restore = lastRestoreOf(catalog, databaseName, snapshot)
      if (restore === undefined) throw new NotFoundError(`restore of ${JSON.stringify(snapshot)}; the restores are listed by listRestores()`)
      logger.warn({ err: error, snapshot, restoreId: restore.id, status: restore.status }, 'Recovery from a failed restore')
      const later = lastChangeSince(catalog, restore)
      const isDone = later !== undefined || restore.status === 'ROLLED_BACK' || restore.isApplied === false
      const backup = backupOf(restore, recoveryDir)
      if (!isDone && backup === null) throw new RestoreFailedError(`it was applied, and before it there was nothing that SQLite could read; the files that were there, if any, are in a quarantine folder in ${recoveryDir}`)
      const result = isDone ? null : await this.#rollBack(findBackup(this.#context, String(backup)), signal)
      return {
        snapshot,
        restoreId: restore.id,
        isRolledBack: result !== null,
        supersededBy: later === undefined ? null : recorded(later, recoveryDir),
        backup,
        safetyCopy: result?.safetyCopy ?? null,
        integrity: result?.integrity ?? await checkLiveDatabase(this.#context, 'quick')
      }
    })
  }

  /**
   * The last resort for a damaged database: its files are kept as they are in a quarantine folder, and it gets a sound content.
   * Nothing is touched before that is ready.
   * @throws FST_SNAPSHOT_RESTORE_FAILED where no snapshot can be used; FST_SNAPSHOT_NO_ROOM, FST_SNAPSHOT_DATABASE_LOCKED
   */
  async emergencyDatabaseReset (options: ResetOptions = {}): Promise<ResetResult> {
    requireFit(ResetArguments, options, 'options')
    return await runChange(this.#context, async signal => await resetDatabase(this.#context, options.from ?? 'latest-snapshot', signal))
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

  async #rollBack ({ name, path }: PreRestoreBackup, signal: AbortSignal): Promise<RollbackResult> {
    const { restoreId, ...result } = await recordedChange(this.#context, { kind: 'rollback', snapshotId: '', snapshotName: name }, signal, async change => await rollBack(this.#context, path, change))
    removeOldBackups(this.#context, result.safetyCopy)
    tellHook(this.#context, 'onRolledBack', result)
    return result
  }

  async #check (options: Required<IntegrityOptions>): Promise<DatabaseIntegrity> {
    const { logger, queue, target } = this.#context
    const integrity = await queue.runBeside(async signal => await checkLiveDatabase(this.#context, options.mode, signal, options.foreignKeys))
    if (integrity.isHealthy) return integrity
    logger.error({ errors: integrity.errors }, foundMissing(integrity, target.path) ? 'The database is missing' : 'The database failed its integrity check')
    return integrity
  }

  /** Cancels or awaits what is under way and closes the catalog. */
  async close (): Promise<void> {
    await this.#context.close()
  }
}

function recorded (row: RestoreRow, recoveryDir: string): RecordedRestore {
  const { id, kind, snapshotName, status, times, error } = row
  return { id, kind, snapshot: snapshotName, status, times: { ...times }, preRestoreBackup: backupOf(row, recoveryDir), error }
}
