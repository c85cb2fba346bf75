/** What went wrong, as kept with a failed snapshot or restore. */
export interface RecordedError { code: string, message: string }

/** Where one copy of a snapshot stands. */
export interface Replica { storage: string, state: 'STORED' | 'PENDING' | 'MISSING' | 'DAMAGED' }

export type SnapshotStatus = 'CREATING' | 'COMPLETED' | 'SUCCESS' | 'FAILED'
export type Trigger = 'manual' | 'scheduled'
export type Integrity = 'ok' | 'failed' | 'unchecked'

/** A snapshot as callers see it. Times are ISO 8601 in UTC, sizes bytes. */
export interface Snapshot {
  id: string
  name: string
  /** Name of the database it is of. */
  database: string
  /** `CREATING`, then `COMPLETED` or `FAILED`; `SUCCESS` once it has been restored. */
  status: SnapshotStatus
  trigger: Trigger
  createdAt: string
  completedAt: string | null
  lastRestoredAt: string | null
  /** Size of the database image. */
  size: number | null
  /** What it takes in a storage. */
  storedSize: number | null
  /** Digest of the database image: what `sha256sum` prints for the downloaded file. */
  checksum: string | null
  checksumAlgorithm: string | null
  /** Outcome of the integrity check at creation. */
  integrity: Integrity | null
  pageSize: number | null
  pageCount: number | null
  durationMs: number | null
  /** A pinned snapshot is never deleted. */
  pinned: boolean
  labels: Record<string, string>
  /** The snapshot it shares pages with, or null for a full one. */
  parentId: string | null
  encrypted: boolean
  /** When all its stored bytes were last found good. */
  verifiedAt: string | null
  /** Id of the deployment that made it. */
  source: string
  replicas: Replica[]
  /** Why it failed. */
  error: RecordedError | null
}

/** Which snapshot `latest` is. */
export interface LatestOptions {
  /** With `latest`: the newest one that is not younger than this ISO 8601 time. A name or an id means the same with it. */
  before?: string
}

/** The public view of a catalog row. Its type is not named: applications would need Drizzle's types to compile. */
export function toSnapshot ({ sequence, deletedAt, marksRevision, takeovers, sourceHost, freePages, checkedAt, ...snapshot }: Snapshot & { sequence: number, deletedAt: string | null, marksRevision: number, takeovers: number, sourceHost: string | null, freePages: number | null, checkedAt: string | null }): Snapshot {
  return snapshot
}
