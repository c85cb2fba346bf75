import { setTimeout as sleep } from 'node:timers/promises'
import { and, desc, eq, lt, lte, max } from 'drizzle-orm'
import { BusyError } from '../errors.ts'
import type { Catalog } from './catalog.ts'
import { scheduledRuns } from './schema.ts'

/** Claims that are younger stay, and the last one before: a clock may be set back, or have been ahead. */
const KEPT_MS = 24 * 60 * 60 * 1000

/** How often, and after which pause, a claim is tried again while another process holds the catalog. */
const TRIES = 50
const PAUSE_MS = 100

/**
 * Claims a run of the schedule: of all processes, one gets it. Nobody waits for it, and if its process dies the next tick is
 * another run. Where the disk takes no more, each process gets it: two snapshots are better than none.
 * @throws FST_SNAPSHOT_BUSY where another process holds the catalog for seconds
 */
export async function claimRun (catalog: Catalog, database: string, job: string, tick: Date): Promise<boolean> {
  const scheduledFor = tick.toISOString()
  const now = new Date()
  const [claimedAt, old] = [now.toISOString(), new Date(Math.min(tick.getTime(), now.getTime()) - KEPT_MS).toISOString()]
  for (let tries = 0; tries < TRIES; tries++) {
    const isClaimed = catalog.writeUnlessBusy(change => {
      const { changes } = change.insert(scheduledRuns).values({ database, job, scheduledFor, claimedAt, claimedBy: process.pid }).onConflictDoNothing().run()
      if (changes === 0) return false
      const runs = and(eq(scheduledRuns.database, database), eq(scheduledRuns.job, job))
      const lastOld = change.select({ scheduledFor: max(scheduledRuns.scheduledFor) }).from(scheduledRuns).where(and(runs, lt(scheduledRuns.scheduledFor, old)))
      change.delete(scheduledRuns).where(and(runs, lt(scheduledRuns.scheduledFor, lastOld))).run()
      return true
    })
    if (isClaimed !== undefined) return isClaimed
    await sleep(PAUSE_MS)
  }
  throw new BusyError()
}

/** Gives a claim back of a run that could not begin: it is made up for after the next start. */
export function releaseRun (catalog: Catalog, database: string, job: string, tick: Date): void {
  catalog.write(change => { change.delete(scheduledRuns).where(and(eq(scheduledRuns.database, database), eq(scheduledRuns.job, job), eq(scheduledRuns.scheduledFor, tick.toISOString()))).run() })
}

/** The last tick up to now that was claimed; where none was, when the catalog was begun. Claims of a clock that was ahead count for nothing. */
export function lastClaimed (catalog: Catalog, database: string, job: string, now: Date): Date {
  const row = catalog.read(query => query.select({ scheduledFor: scheduledRuns.scheduledFor }).from(scheduledRuns)
    .where(and(eq(scheduledRuns.database, database), eq(scheduledRuns.job, job), lte(scheduledRuns.scheduledFor, now.toISOString()))).orderBy(desc(scheduledRuns.scheduledFor)).limit(1).get())
  return new Date(row?.scheduledFor ?? catalog.createdAt)
}
