import { and, eq } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { failedJobs } from './schema.ts'

export type FailedJob = typeof failedJobs.$inferSelect

/** Keeps why a job of the schedule failed, until it is done, by whomever. */
export function recordJobFailed (catalog: Catalog, row: FailedJob): void {
  catalog.write(change => change.insert(failedJobs).values(row).onConflictDoUpdate({ target: [failedJobs.database, failedJobs.job], set: row }).run())
}

export function recordJobDone (catalog: Catalog, database: string, job: string): void {
  if (listFailedJobs(catalog, database).some(failed => failed.job === job)) catalog.write(change => change.delete(failedJobs).where(and(eq(failedJobs.database, database), eq(failedJobs.job, job))).run())
}

/** What is scheduled no more is not waited for. */
export function keepFailedJobs (catalog: Catalog, database: string, jobs: string[]): void {
  for (const { job } of listFailedJobs(catalog, database)) if (!jobs.includes(job)) recordJobDone(catalog, database, job)
}

export function listFailedJobs (catalog: Catalog, database: string): FailedJob[] {
  return catalog.read(query => query.select().from(failedJobs).where(eq(failedJobs.database, database)).orderBy(failedJobs.job).all())
}
