import { accessSync, constants, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { codeOf, DatabaseDamagedError, DatabaseLockedError, DatabaseMissingError, DatabaseUnwritableError, isSnapshotError, messageOf, NoRoomError, NotADatabaseError } from '../errors.ts'
import { askOften } from './ask-often.ts'
import { NotDirectlyReadable } from './pages/wal-index.ts'

/** The database of the application, and how long to wait for locks on it. */
export interface Target { path: string, lockTimeoutMs: number }

/**
 * Opens the application's database. Read-write, though most tasks only read: a read-only handle can neither roll back a
 * hot journal nor make the shared memory that WAL mode needs.
 * @throws the coded errors of {@link explainSqliteError}
 */
export function openTarget ({ path, lockTimeoutMs }: Target): Database.Database {
  return explained({ path, lockTimeoutMs }, () => {
    if (!(statSync(path, { throwIfNoEntry: false })?.isFile() ?? missing(path))) throw new NotADatabaseError(path)
    const file = realpathSync(path)
    accessSync(file, constants.R_OK | constants.W_OK)
    accessSync(dirname(file), constants.W_OK)
    requireSupported(path, file)
    const database = new Database(file, { fileMustExist: true, timeout: lockTimeoutMs })
    try {
      askOften(database, () => database.pragma('schema_version')) // the first read: recovers what a killed writer left
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
}

/** What a database file begins with. */
const MAGIC = 'SQLite format 3\0'
/** Bytes of the header that say how the file is to be written and read: 1 with a journal, 2 with a log. */
const VERSIONS_AT = 18
const VERSIONS_END = 20

/**
 * Refuses what SQLite would do harm to, or would blame on rights. The descriptor stays open: closing it would drop the locks of
 * this process.
 */
function requireSupported (path: string, file: string): void {
  const header = Buffer.alloc(VERSIONS_END)
  const read = readSync(openSync(file, 'r'), header, 0, header.length, 0)
  const versions = [...header.subarray(VERSIONS_AT)]
  // SQLite deletes the log of an empty file, and with it whatever that has.
  if (read === 0 && (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) throw new DatabaseDamagedError(path, 'the file ends before its header does, and its write-ahead log has content')
  if (header.toString('latin1').startsWith(MAGIC) && versions.some(version => version > 2)) throw new DatabaseDamagedError(path, `its header asks for the versions ${versions.join(' and ')} of the file format`)
}

function missing (path: string): never {
  throw new DatabaseMissingError(path)
}

/** Runs something on the application's database, turning its errors into coded ones. */
export function explained<T> (target: Target, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw explainSqliteError(error, target)
  }
}

/** The same for what is asynchronous. */
export async function explainedAsync<T> (target: Target, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw explainSqliteError(error, target)
  }
}

/** The coded error behind an error of SQLite or the file system; others are returned as they are. */
export function explainSqliteError (error: unknown, { path, lockTimeoutMs }: Target): unknown {
  if (isSnapshotError(error)) return error
  const code = String(codeOf(error))
  if (/^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)) return new DatabaseLockedError(path, lockTimeoutMs, { cause: error })
  if (/^(SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)/.test(code)) return new NoRoomError(`a write for ${path} found the disk full`, { cause: error })
  if (code === 'SQLITE_NOTADB') return new NotADatabaseError(path, { cause: error })
  // A log that was removed or exchanged while its index is in use: neither SQLite nor this process can read on.
  if (code === 'SQLITE_IOERR_SHORT_READ') return new DatabaseDamagedError(path, 'it, or its write-ahead log, ends where there should be a page', { cause: error })
  if (error instanceof NotDirectlyReadable) return new DatabaseDamagedError(path, messageOf(error), { cause: error })
  if (/^SQLITE_CORRUPT/.test(code)) return new DatabaseDamagedError(path, messageOf(error), { cause: error })
  if (/^(SQLITE_READONLY|SQLITE_CANTOPEN|SQLITE_PERM|EACCES|EPERM|EROFS)/.test(code)) return new DatabaseUnwritableError(path, { cause: error })
  return error
}
