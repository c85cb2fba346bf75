import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { codeOf, DatabaseDamagedError, DatabaseLockedError, DatabaseMissingError, DatabaseUnwritableError, isSnapshotError, messageOf, NoRoomError, NotADatabaseError } from '../errors.ts'
import { askOften } from './ask-often.ts'

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
  if (/^(SQLITE_FULL|ENOSPC|EDQUOT)/.test(code)) return new NoRoomError(`a write for ${path} found the disk full`, { cause: error })
  if (code === 'SQLITE_NOTADB') return new NotADatabaseError(path, { cause: error })
  if (/^SQLITE_CORRUPT/.test(code)) return new DatabaseDamagedError(path, messageOf(error), { cause: error })
  if (/^(SQLITE_READONLY|SQLITE_CANTOPEN|SQLITE_PERM|EACCES|EPERM|EROFS)/.test(code)) return new DatabaseUnwritableError(path, { cause: error })
  return error
}
