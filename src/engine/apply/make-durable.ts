import { fsyncSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type Database from 'better-sqlite3'
import type { LivePages } from '../pages/live-pages.ts'
import { syncFolderOf } from './safety-copy.ts'
import { step } from '../../step.ts'

const TRUNCATE_TRIES = 20
const TRUNCATE_TIMEOUT_MS = 50

/**
 * A commit may be in the operating system's caches only, and after a backup the -wal is as large as the database. The checkpoint
 * comes first, at once: else the application's next commit begins it, and waits for all of it.
 */
export async function makeDurable (live: Database.Database, pages: LivePages, isWal: boolean): Promise<void> {
  if (isWal) await Promise.allSettled([checkpoint(live)])
  step('apply: checkpointed')
  for (const descriptor of pages.descriptors) fsyncSync(descriptor)
  if (!isWal) return syncFolderOf(live.name)
  await Promise.allSettled([truncateLog(live)]) // all is durable already; a log that cannot be emptied now is emptied later
}

async function checkpoint (live: Database.Database): Promise<void> {
  live.pragma('synchronous = FULL')
  live.pragma('wal_checkpoint(PASSIVE)')
}

async function truncateLog (live: Database.Database): Promise<void> {
  // A truncating checkpoint makes writers wait for readers, so it may only wait briefly. It may fail.
  live.pragma(`busy_timeout = ${TRUNCATE_TIMEOUT_MS}`)
  for (let tries = 0; tries < TRUNCATE_TRIES; tries++) {
    const [{ busy }] = live.pragma('wal_checkpoint(TRUNCATE)') as [{ busy: number }]
    if (busy === 0) return
    await sleep(TRUNCATE_TIMEOUT_MS)
  }
}
