import type Database from 'better-sqlite3'
import { codeOf } from '../errors.ts'

const POLL_MS = 0.02
/** Nobody wakes who waits for it. */
const never = new Int32Array(new SharedArrayBuffer(4))

/** Waits a moment, everything in this thread with it. */
export function pause (): void {
  Atomics.wait(never, 0, 0, POLL_MS)
}

/**
 * Does something that needs a lock, asking for it in short intervals until the connection's busy timeout is over: beside a
 * writer without a pause a lock is free for microseconds, and SQLite itself looks again after up to 100 ms.
 */
export function askOften<T> (database: Database.Database, act: () => T): T {
  const timeout = database.pragma('busy_timeout', { simple: true }) as number
  const deadline = performance.now() + timeout
  database.pragma('busy_timeout = 0')
  try {
    for (;;) {
      try {
        return act()
      } catch (error) {
        if (!String(codeOf(error)).startsWith('SQLITE_BUSY') || performance.now() >= deadline) throw error
      }
      pause()
    }
  } finally {
    database.pragma(`busy_timeout = ${timeout}`)
  }
}
