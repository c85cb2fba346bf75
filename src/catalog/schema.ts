import { isNull, sql } from 'drizzle-orm'
import { index, integer, primaryKey, real, sqliteTable, sqliteView, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { DrillReport } from '../snapshots/drills/drill-report.ts'
import type { Integrity, RecordedError, Replica, SnapshotStatus, Trigger } from '../snapshots/snapshot.ts'

/*
 * The catalog: an index of what is in storage, plus what is known only here (restores, checks, counters). Times are ISO
 * 8601 in UTC, sizes bytes, durations milliseconds. After a change: `npm run migrations`.
 */

export type { Integrity, RecordedError, Replica, SnapshotStatus, Trigger }

/** Statuses of a snapshot that can be used. */
export const USABLE: SnapshotStatus[] = ['COMPLETED', 'SUCCESS']

/** One row for each snapshot, those that failed and those that were deleted included. */
export const snapshots = sqliteTable('snapshots', {
  id: text().primaryKey(),
  database: text().notNull(),
  name: text().notNull(),
  status: text().$type<SnapshotStatus>().notNull(),
  trigger: text().$type<Trigger>().notNull(),
  source: text().notNull(),
  sequence: integer().notNull(),
  createdAt: text().notNull(),
  completedAt: text(),
  lastRestoredAt: text(),
  verifiedAt: text(),
  deletedAt: text(),
  size: integer(),
  storedSize: integer(),
  checksum: text(),
  checksumAlgorithm: text(),
  integrity: text().$type<Integrity>(),
  pageSize: integer(),
  pageCount: integer(),
  durationMs: integer(),
  pinned: integer({ mode: 'boolean' }).notNull().default(false),
  labels: text({ mode: 'json' }).$type<Record<string, string>>().notNull().default({}),
  marksRevision: integer().notNull().default(0),
  parentId: text(),
  encrypted: integer({ mode: 'boolean' }).notNull().default(false),
  replicas: text({ mode: 'json' }).$type<Replica[]>().notNull().default([]),
  error: text({ mode: 'json' }).$type<RecordedError>(),
  /** The machine it was made on. */
  sourceHost: text(),
  /** Pages of the image that hold nothing; null of a snapshot that does not say. */
  freePages: integer(),
  /** When it was last verified, whatever came of it. */
  checkedAt: text(),
  /** How often it was taken over, as its marks say. */
  takeovers: integer().notNull().default(0)
}, table => [
  uniqueIndex('snapshots_name_in_use').on(table.database, table.source, table.name).where(sql`${table.status} <> 'FAILED' and ${table.deletedAt} is null`),
  uniqueIndex('snapshots_order').on(table.database, table.sequence, table.id),
  // Deleted ones soon outnumber the others, and are in none of these.
  index('snapshots_present').on(table.database, table.sequence, table.id).where(isNull(table.deletedAt)),
  index('snapshots_source').on(table.database, table.source, table.sequence, table.createdAt).where(isNull(table.deletedAt)),
  index('snapshots_ended').on(table.database, table.source, table.sequence).where(sql`${table.status} <> 'CREATING'`),
  index('snapshots_name').on(table.database, table.name, table.sequence).where(isNull(table.deletedAt)),
  index('snapshots_status').on(table.database, table.status, table.sequence, table.id).where(isNull(table.deletedAt)),
  index('snapshots_to_remove').on(table.database).where(sql`${table.deletedAt} is not null and ${table.replicas} <> '[]'`),
  index('snapshots_to_replicate').on(table.database, table.sequence).where(sql`${table.deletedAt} is null and ${table.replicas} glob '*"state":"[PDM]*'`)
])

/** The packs that each snapshot needs; of a failed one, those that were stored before it failed. */
export const snapshotPacks = sqliteTable('snapshotPacks', {
  snapshotId: text().notNull(),
  packId: text().notNull()
}, table => [primaryKey({ columns: [table.snapshotId, table.packId] }), index('snapshotPacks_pack').on(table.packId)])

/** Packs that were found damaged in a storage, as a whole or in a part: no new snapshot shares them. */
export const damagedPacks = sqliteTable('damagedPacks', {
  packId: text().notNull(),
  storage: text().notNull()
}, table => [primaryKey({ columns: [table.packId, table.storage] })])

/** What is known of each storage of a database. */
export const storages = sqliteTable('storages', {
  database: text().notNull(),
  storage: text().notNull(),
  /** Whether the last thing that was asked of it succeeded; null before the first. */
  isUp: integer({ mode: 'boolean' }),
  checkedAt: text(),
  /** Why it failed. */
  error: text({ mode: 'json' }).$type<RecordedError>(),
  /** When all of its snapshots were last found and entered here. */
  listedAt: text(),
  /** When the newest marks in it were written, by its own clock. */
  markedAt: text()
}, table => [primaryKey({ columns: [table.database, table.storage] })])
export type StorageRow = typeof storages.$inferSelect

/** The snapshots there are, for an operator's own queries: the deleted ones are left out. */
export const snapshotView = sqliteView('Snapshot').as(query => query.select().from(snapshots).where(isNull(snapshots.deletedAt)))

export type SnapshotRow = typeof snapshots.$inferSelect

export type RestoreStatus = 'REQUESTED' | 'STAGED' | 'BACKED_UP' | 'APPLYING' | 'VERIFYING' | 'SUCCESS' | 'FAILED' | 'ROLLED_BACK'

/** `tables` brings back some tables only; a rollback and a reset have no snapshot, or chose it themselves. */
export type RestoreKind = 'restore' | 'tables' | 'rollback' | 'reset'

/** One row for each restore that began, and for each other change of the live database. */
export const restores = sqliteTable('restores', {
  id: text().primaryKey(),
  database: text().notNull(),
  snapshotId: text().notNull(),
  snapshotName: text().notNull(),
  status: text().$type<RestoreStatus>().notNull(),
  requestedAt: text().notNull(),
  finishedAt: text(),
  durationMs: integer(),
  /** Path of the database file that holds the content from before the restore. */
  preRestoreBackup: text(),
  error: text({ mode: 'json' }).$type<RecordedError>(),
  kind: text().$type<RestoreKind>().notNull().default('restore'),
  /** When each status was reached. */
  times: text({ mode: 'json' }).$type<Partial<Record<RestoreStatus, string>>>().notNull().default({}),
  /** Whether the live database was changed; null where that is not known. */
  isApplied: integer({ mode: 'boolean' })
}, table => [index('restores_requested').on(table.database, table.requestedAt), index('restores_snapshot').on(table.database, table.snapshotName, table.requestedAt)])
export type RestoreRow = typeof restores.$inferSelect

/** The last integrity check of each live database. */
export const integrityChecks = sqliteTable('integrityChecks', {
  database: text().primaryKey(),
  isHealthy: integer({ mode: 'boolean' }).notNull(),
  errors: text({ mode: 'json' }).$type<string[]>().notNull(),
  unchecked: text({ mode: 'json' }).$type<string[]>().notNull(),
  checkedAt: text().notNull(),
  durationMs: integer().notNull()
})

/** Rehearsed restores. */
export const drills = sqliteTable('drills', {
  id: text().primaryKey(),
  database: text().notNull(),
  startedAt: text().notNull(),
  report: text({ mode: 'json' }).$type<DrillReport>().notNull()
}, table => [index('drills_database').on(table.database)])

/** Which runs of the schedule were claimed, by a process of the application that had the same schedule as others. */
export const scheduledRuns = sqliteTable('scheduledRuns', {
  database: text().notNull(),
  job: text().notNull(),
  scheduledFor: text().notNull(),
  claimedAt: text().notNull(),
  /** Id of the process. */
  claimedBy: integer().notNull()
}, table => [primaryKey({ columns: [table.database, table.job, table.scheduledFor] })])

/** Of each job of the schedule that failed when it last ran, why. */
export const failedJobs = sqliteTable('failedJobs', {
  database: text().notNull(),
  job: text().notNull(),
  failedAt: text().notNull(),
  message: text().notNull()
}, table => [primaryKey({ columns: [table.database, table.job] })])

/** Databases whose application takes no changes for now. */
export const maintenance = sqliteTable('maintenance', {
  database: text().primaryKey(),
  reason: text().notNull(),
  since: text().notNull()
})

/** Counters and gauges that must survive a restart and agree between processes. */
export const metricValues = sqliteTable('metricValues', {
  database: text().notNull(),
  name: text().notNull(),
  /** The value of the metric's own label (an outcome, a bucket's bound), empty where it has none. */
  label: text().notNull(),
  value: real().notNull()
}, table => [primaryKey({ columns: [table.database, table.name, table.label] })])

/** The one deployment this catalog belongs to. */
export const sources = sqliteTable('sources', {
  id: text().primaryKey(),
  createdAt: text().notNull()
})
