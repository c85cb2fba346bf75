import Database from 'better-sqlite3'
import { once } from 'node:events'
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

/**
 * Holds an exclusive lock on a database, as an application in a process of its own does; released when the returned function
 * is called, and when the test ends.
 */
export async function holdLock (t: Test, path: string): Promise<() => Promise<void>> {
  const holder: ChildProcess = fork(fileURLToPath(new URL('../processes/hold-lock.ts', import.meta.url)), [path])
  const ended = once(holder, 'exit')
  const release = async (): Promise<void> => {
    holder.kill('SIGKILL')
    await ended
  }
  t.teardown(release)
  await once(holder, 'message')
  return release
}

/** Puts a database into a journal mode in which an exclusive lock keeps readers out. */
export function withRollbackJournal (path: string): void {
  const database = new Database(path)
  database.pragma('journal_mode = DELETE')
  database.close()
}
