import { randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core'
import { BusyError, CancelledError, CatalogUnusableError, codeOf, isSnapshotError, messageOf } from '../errors.ts'
import { LockFile } from '../lock-file.ts'
import { sources } from './schema.ts'
import { step } from '../step.ts'

/** What queries run on: the catalog or a transaction on it. */
export type CatalogDatabase = BaseSQLiteDatabase<'sync', Database.RunResult>

const MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url))
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const LOCK_TIMEOUT_MS = 5_000

/** How long opening and closing may wait for another process. */
const PATIENT_TIMEOUT_MS = 5_000
/** How long a query may keep the host waiting; what could not be written by then is kept in memory. */
const BUSY_TIMEOUT_MS = 100

/**
 * The catalog's database file. It is opened inside the host, so nothing here may wait for a disk: WAL mode without
 * automatic checkpoints, where a commit needs no fsync (a power failure loses the last changes, which storage still has).
 * While the disk takes no more, changes are kept in memory and written once it does.
 */
export class Catalog {
  readonly path: string
  /** The id of this deployment. */
  readonly source: string
  /** When this catalog was begun, in place of a lost one or not. */
  readonly createdAt: string
  /** Whether this is a new catalog in the place of one that was lost. */
  readonly isReplaced: boolean
  readonly #disk: Database.Database
  readonly #queries: CatalogDatabase
  #memory: Database.Database | null = null
  #unsaved: Array<(database: CatalogDatabase) => unknown> = []

  /** @param keptSource the id that was kept beside an earlier catalog */
  private constructor (path: string, disk: Database.Database, keptSource: string | null) {
    this.path = path
    this.#disk = disk
    this.#queries = drizzle(disk)
    const known = this.read(database => database.select().from(sources).get())
    this.isReplaced = known === undefined && keptSource !== null
    const fresh = { id: keptSource ?? randomUUID(), createdAt: new Date().toISOString() }
    const { id, createdAt } = known ?? this.write(database => database.insert(sources).values(fresh).returning().get())
    this.source = id
    this.createdAt = createdAt
  }

  /**
   * Opens the catalog of a folder, making and migrating it as needed, one process at a time.
   * @throws FST_SNAPSHOT_CATALOG_UNUSABLE, FST_SNAPSHOT_BUSY while another process migrates it for long
   */
  static open (folder: string): Catalog {
    const path = join(folder, 'catalog.db')
    try {
      return Catalog.#openLocked(folder, path)
    } catch (error) {
      throw isSnapshotError(error) ? error : new CatalogUnusableError(path, messageOf(error), { cause: error })
    }
  }

  static #openLocked (folder: string, path: string): Catalog {
    mkdirSync(join(folder, '.locks'), { recursive: true, mode: 0o700 })
    const lock = LockFile.takeBlocking(join(folder, '.locks', 'catalog.lock'), LOCK_TIMEOUT_MS)
    if (lock === null) throw new BusyError()
    try {
      const isNew = !existsSync(path)
      const disk = new Database(path, { timeout: PATIENT_TIMEOUT_MS })
      step('catalog: opened')
      disk.pragma('journal_mode = WAL')
      step('catalog: in WAL mode')
      if (isNew) chmodSync(path, 0o600)
      disk.pragma('synchronous = NORMAL')
      disk.pragma('wal_autocheckpoint = 0')
      migrate(drizzle(disk), { migrationsFolder: MIGRATIONS })
      step('catalog: migrated')
      const sourceFile = join(folder, '.source')
      const catalog = new Catalog(path, disk, readSource(sourceFile))
      step('catalog: source known')
      if (readSource(sourceFile) !== catalog.source) keepSource(sourceFile, catalog.source)
      step('catalog: source kept')
      disk.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`)
      return catalog
    } finally {
      lock.release()
    }
  }

  get isOpen (): boolean {
    return this.#disk.open
  }

  /** @throws FST_SNAPSHOT_CANCELLED once it was closed */
  requireOpen (): void {
    if (!this.isOpen) throw new CancelledError('this SnapshotWriter or SnapshotRecovery was closed; make a new one to go on')
  }

  /** Runs queries that change nothing. */
  read<T>(query: (database: CatalogDatabase) => T): T {
    this.requireOpen()
    this.#save()
    try {
      return query(this.#memory === null ? this.#queries : drizzle(this.#memory))
    } catch (error) {
      throw this.#explained(error)
    }
  }

  /** Runs a change in one immediate transaction. It may run a second time, so it must not depend on the time or chance. */
  write<T>(change: (database: CatalogDatabase) => T): T {
    this.requireOpen()
    this.#save()
    if (this.#memory === null) {
      try {
        return inTransaction(this.#disk, change)
      } catch (error) {
        if (!isDiskFailure(error)) throw this.#explained(error)
        this.#memory = copyInMemory(this.#disk)
      }
    }
    const result = inTransaction(this.#memory, change)
    this.#unsaved.push(change)
    return result
  }

  /** The same, but undefined where another process holds the catalog for the moment: nothing is changed then, in memory neither. */
  writeUnlessBusy<T>(change: (database: CatalogDatabase) => T): T | undefined {
    this.requireOpen()
    try {
      inTransaction(this.#disk, () => {})
    } catch (error) {
      if (String(codeOf(error)).startsWith('SQLITE_BUSY')) return undefined
    }
    return this.write(change)
  }

  /** What cannot be read as it was written is damage. */
  #explained (error: unknown): unknown {
    return isDamage(error) ? new CatalogUnusableError(this.path, messageOf(error), { cause: error }) : error
  }

  /** False while changes wait in memory for the disk to take them. */
  get isSaved (): boolean {
    return this.#memory === null
  }

  /** Bytes in the write-ahead log, which somebody must checkpoint when they grow. */
  get walBytes (): number {
    return statSync(`${this.path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  }

  close (): void {
    if (!this.isOpen) return
    this.#disk.pragma(`busy_timeout = ${PATIENT_TIMEOUT_MS}`)
    this.#save()
    this.#disk.close()
  }

  #save (): void {
    while (this.#unsaved.length > 0) {
      try {
        inTransaction(this.#disk, this.#unsaved[0] as (database: CatalogDatabase) => unknown)
      } catch (error) {
        if (isDiskFailure(error)) return
        // What contradicts another process's work by now (a name taken meanwhile) cannot be kept; the rest can.
      }
      this.#unsaved.shift()
    }
    this.#memory?.close()
    this.#memory = null
  }
}

/** The deployment's id as it is kept beside the catalog, so that a new catalog in its place is that of the same deployment. */
function readSource (file: string): string | null {
  const id = existsSync(file) ? readFileSync(file, 'utf8') : ''
  return UUID.test(id) ? id : null
}

function keepSource (file: string, source: string): void {
  try {
    writeFileSync(file, source, { mode: 0o600 })
  } catch {} // on a full disk the catalog alone has it; the next start tries again
}

function inTransaction<T> (sqlite: Database.Database, change: (database: CatalogDatabase) => T): T {
  return drizzle(sqlite).transaction(transaction => change(transaction), { behavior: 'immediate' })
}

/** The disk does not take a change now, or another process holds the catalog for long. */
const isDiskFailure = (error: unknown): boolean => /^SQLITE_(FULL|IOERR|BUSY)/.test(String(codeOf(error)))

/**
 * SQLite finds its pages damaged, its schema is not what the queries are made for, an index holds what the table does not, or a
 * column with JSON something else.
 */
const isDamage = (error: unknown): boolean => error instanceof SyntaxError || /^SQLITE_(CORRUPT|NOTADB|ERROR|CONSTRAINT_PRIMARYKEY)/.test(String(codeOf(error)))

/** A copy that takes changes while the disk does not. Bytes 18 and 19 of the header are the journal mode, 1 is not WAL. */
function copyInMemory (sqlite: Database.Database): Database.Database {
  const image = sqlite.serialize()
  image.fill(1, 18, 20)
  return new Database(image)
}
