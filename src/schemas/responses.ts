import { Type, type TSchema } from '@sinclair/typebox'
import { Status } from './requests.ts'

/*
 * What the routes answer. Times are ISO 8601 in UTC, sizes bytes, durations milliseconds.
 */
const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Time = Type.String({ format: 'date-time' })

export const Snapshot = Type.Object({
  id: Type.String(),
  name: Type.String(),
  database: Type.String(),
  status: Status,
  trigger: Type.String(),
  createdAt: Time,
  completedAt: OrNull(Time),
  lastRestoredAt: OrNull(Time),
  size: OrNull(Type.Integer()),
  storedSize: OrNull(Type.Integer()),
  checksum: OrNull(Type.String()),
  checksumAlgorithm: OrNull(Type.String()),
  integrity: OrNull(Type.String()),
  pageSize: OrNull(Type.Integer()),
  pageCount: OrNull(Type.Integer()),
  durationMs: OrNull(Type.Integer()),
  pinned: Type.Boolean(),
  labels: Type.Record(Type.String(), Type.String()),
  parentId: OrNull(Type.String()),
  encrypted: Type.Boolean(),
  verifiedAt: OrNull(Time),
  source: Type.String(),
  replicas: Type.Array(Type.Object({ storage: Type.String(), state: Type.String() })),
  error: OrNull(Type.Object({ code: Type.String(), message: Type.String() }))
})

export const SnapshotList = Type.Object({ snapshots: Type.Array(Snapshot), nextCursor: OrNull(Type.String()) })

/** Work that goes on after the answer. */
export const Operation = Type.Object({
  id: Type.String(),
  type: Type.Literal('create'),
  status: Type.Literal('RUNNING'),
  startedAt: Time,
  snapshot: Snapshot
})

export const RestoreResult = Type.Object({
  status: Type.Literal('SUCCESS'),
  snapshot: Snapshot,
  restoreId: Type.String(),
  preRestoreBackup: OrNull(Type.String()),
  durationMs: Type.Integer(),
  lockedMs: Type.Integer()
})

export const Verification = Type.Object({
  snapshot: Type.String(),
  id: Type.String(),
  isHealthy: Type.Boolean(),
  errors: Type.Array(Type.String()),
  replicas: Type.Array(Type.Object({ storage: Type.String(), isHealthy: OrNull(Type.Boolean()), errors: Type.Array(Type.String()) })),
  checkedAt: Time,
  durationMs: Type.Integer()
})

export const DatabaseIntegrity = Type.Object({
  database: Type.String(),
  isHealthy: Type.Boolean(),
  errors: Type.Array(Type.String()),
  unchecked: Type.Array(Type.String()),
  checkedAt: Time,
  durationMs: Type.Integer()
})

export const Maintenance = Type.Object({ reason: Type.String(), since: Time })

export const Health = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('unhealthy')]),
  database: Type.String(),
  /** What is wrong; this and what follows only for a viewer. */
  reasons: Type.Optional(Type.Array(Type.String())),
  maintenance: Type.Optional(OrNull(Maintenance)),
  storages: Type.Optional(Type.Array(Type.Object({
    storage: Type.String(),
    isUp: OrNull(Type.Boolean()),
    checkedAt: OrNull(Time),
    error: OrNull(Type.Object({ code: Type.String(), message: Type.String() })),
    pending: Type.Integer(),
    damaged: Type.Integer()
  }))),
  sources: Type.Optional(Type.Array(Type.Object({ id: Type.String(), host: OrNull(Type.String()), snapshots: Type.Integer() })))
})
