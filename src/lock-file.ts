import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { BusyError, codeOf } from './errors.ts'

const POLL_MS = 20

/** `shared` is held beside others of its kind, and never beside an exclusive one. */
type LockKind = 'exclusive' | 'shared'

const TAKE: Record<LockKind, string> = { exclusive: 'BEGIN EXCLUSIVE', shared: 'BEGIN; SELECT 1 FROM sqlite_schema' }

/**
 * A lock between processes: a SQLite transaction on a small file of its own, so the operating system releases it the moment the
 * holder dies, and nobody ever waits for a dead one.
 */
export class LockFile {
  readonly #database: Database.Database

  private constructor (database: Database.Database) {
    this.#database = database
  }

  /** Takes the lock, blocking this thread for at most `timeoutMs`. Null where another holds it for longer. */
  static takeBlocking (path: string, timeoutMs: number, kind: LockKind = 'exclusive'): LockFile | null {
    makeFile(path)
    const database = new Database(path, { timeout: timeoutMs })
    try {
      database.pragma('journal_mode = MEMORY') // nothing is ever written, so no journal file is wanted
      database.exec(TAKE[kind])
      return new LockFile(database)
    } catch (error) {
      database.close()
      if (codeOf(error)?.startsWith('SQLITE_BUSY') === true) return null
      throw error
    }
  }

  /**
   * Takes the lock without blocking the thread.
   * @throws FST_SNAPSHOT_BUSY when another process holds it for longer than `timeoutMs`
   */
  static async take (path: string, timeoutMs: number, signal?: AbortSignal, kind: LockKind = 'exclusive'): Promise<LockFile> {
    signal?.throwIfAborted()
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const lock = LockFile.takeBlocking(path, 0, kind)
      if (lock !== null) return lock
      if (Date.now() >= deadline) throw new BusyError()
      await sleep(POLL_MS)
      signal?.throwIfAborted()
    }
  }

  release (): void {
    this.#database.close()
  }
}

/** Makes the file if it is missing. An existing one is not even opened: closing it again would drop this process's lock. */
function makeFile (path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}
