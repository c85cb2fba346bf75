import { rmSync } from 'node:fs'

/** Removes a database file of our own with everything SQLite keeps beside it. */
export function removeDatabase (path: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}
