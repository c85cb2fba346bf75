import { Type, type TSchema } from '@sinclair/typebox'
import { RetentionOption } from '../options-retention.ts'
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

const Replacement = OrNull(Type.Object({ path: Type.String(), reason: Type.String(), quarantine: OrNull(Type.String()), heldBy: Type.Array(Type.Integer()) }))

export const RestoreResult = Type.Object({
  status: Type.Literal('SUCCESS'),
  snapshot: Snapshot,
  restoreId: Type.String(),
  preRestoreBackup: OrNull(Type.String()),
  durationMs: Type.Integer(),
  lockedMs: Type.Integer(),
  replacement: Replacement
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

export const TablesRestoreResult = Type.Object({
  snapshot: Type.String(),
  mode: Type.String(),
  restoreId: Type.String(),
  preRestoreBackup: Type.String(),
  tables: Type.Array(Type.Object({ name: Type.String(), isNew: Type.Boolean(), deletedRows: Type.Integer(), insertedRows: Type.Integer() })),
  staleIndexes: Type.Array(Type.Object({ name: Type.String(), reason: Type.String() })),
  durationMs: Type.Integer(),
  lockedMs: Type.Integer()
})

export const Recovery = Type.Object({
  backups: Type.Array(Type.Object({
    name: Type.String(),
    path: Type.String(),
    kind: Type.String(),
    createdAt: Time,
    size: Type.Integer(),
    snapshot: OrNull(Type.String()),
    restoreId: OrNull(Type.String())
  })),
  restores: Type.Array(Type.Object({
    id: Type.String(),
    kind: Type.String(),
    snapshot: Type.String(),
    status: Type.String(),
    times: Type.Record(Type.String(), Time),
    preRestoreBackup: OrNull(Type.String()),
    error: OrNull(Type.Object({ code: Type.String(), message: Type.String() }))
  }))
})

export const RollbackResult = Type.Object({
  backup: Type.String(),
  safetyCopy: OrNull(Type.String()),
  integrity: DatabaseIntegrity,
  lockedMs: Type.Integer(),
  replacement: Replacement,
  durationMs: Type.Integer()
})

export const ResetResult = Type.Object({
  restoreId: Type.String(),
  snapshot: OrNull(Type.String()),
  quarantine: OrNull(Type.String()),
  skipped: Type.Array(Type.Object({ snapshot: Type.String(), reason: Type.String() })),
  integrity: DatabaseIntegrity,
  replacement: Replacement,
  durationMs: Type.Integer()
})

export const Drill = Type.Object({
  id: Type.String(),
  database: Type.String(),
  snapshot: OrNull(Type.Object({ id: Type.String(), name: Type.String(), createdAt: Time, size: OrNull(Type.Integer()) })),
  storage: OrNull(Type.String()),
  startedAt: Time,
  durationMs: Type.Integer(),
  isSuccess: Type.Boolean(),
  error: OrNull(Type.String()),
  steps: Type.Array(Type.Object({ name: Type.String(), durationMs: Type.Integer(), error: OrNull(Type.String()) }))
})
export const DrillList = Type.Object({ drills: Type.Array(Drill) })

const Decision = Type.Object({ id: Type.String(), name: Type.String(), trigger: Type.String(), createdAt: Time, isKept: Type.Boolean(), rules: Type.Array(Type.String()) })
export const RetentionPlan = Type.Object({
  database: Type.String(),
  policy: Type.Required(RetentionOption),
  snapshots: Type.Array(Decision),
  held: Type.Integer(),
  failed: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), createdAt: Time }))
})
export const RetentionResult = Type.Composite([RetentionPlan, Type.Object({ removed: Type.Array(Type.String()) })])

const healthFields = {
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
}

/** Of several databases it is that of the one that is worst off, with all of them for a viewer. */
export const Health = Type.Object({ ...healthFields, databases: Type.Optional(Type.Array(Type.Object(healthFields))) })
