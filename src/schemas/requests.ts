import { Type } from '@sinclair/typebox'
import { Labels as AnyLabels } from '../format/marks.ts'
import { OneOf } from './fit.ts'

/*
 * What the routes take. Unknown fields are refused: a mistyped option must not pass for the default.
 */
const closed = { additionalProperties: false }

export const Status = OneOf('CREATING', 'COMPLETED', 'SUCCESS', 'FAILED')

const Labels: typeof AnyLabels = { ...AnyLabels, description: 'up to 32 texts of at most 256 characters, each under a name of 1 to 64 letters, digits, ".", "_" and "-"' }

export const CreateBody = Type.Object({
  /** 1 to 128 letters, digits, `.`, `_` and `-`; default: the database's name and the time. */
  name: Type.Optional(Type.String()),
  labels: Type.Optional(Labels),
  /** Store everything anew. */
  full: Type.Optional(Type.Boolean())
}, closed)

const PAGE_SIZE = 'a whole number from 1 to 1000'

export const ListQuery = Type.Object({
  /** Snapshots on a page; default 100. A pattern, as a conversion would take `1.5` for 1. */
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]{0,2}|1000)$', description: PAGE_SIZE })),
  cursor: Type.Optional(Type.String({ pattern: '^\\d{1,15}\\.[0-9a-f-]{36}$', description: 'the nextCursor of the page before' })),
  status: Type.Optional(Status),
  order: Type.Optional(OneOf('asc', 'desc'))
}, closed)

/** A name, an id, or `latest`. Names over 100 characters come in two parts (see routes/snapshot-path.ts). */
export const SnapshotParams = Type.Object({ name: Type.String(), rest: Type.Optional(Type.String()) }, closed)

const before = Type.Optional(Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?(Z|[+-]\\d{2}:\\d{2}))?$',
  description: 'a date such as 2024-01-15, or a time with its zone such as 2024-01-15T09:00:00Z'
}))

export const SnapshotQuery = Type.Object({
  /** With `latest`: the newest one not younger than this time. */
  before
}, closed)

export const UpdateBody = Type.Object({ pinned: Type.Optional(Type.Boolean()), labels: Type.Optional(Labels) }, closed)

/** Whether retention also deletes what it holds. */
export const RetentionBody = Type.Object({ includeHeld: Type.Optional(Type.Boolean()) }, closed)

const SnapshotName = Type.String({ minLength: 1, description: 'a name or an id of a snapshot, or latest' })
/** Which restore is rehearsed. */
export const DrillBody = Type.Object({ snapshot: Type.Optional(SnapshotName), storage: Type.Optional(Type.String({ minLength: 1, description: 'the name of a storage' })) }, closed)
export const DrillArguments = DrillBody

export const NoBody = Type.Object({}, closed)
export const NoQuery = NoBody

export const IntegrityBody = Type.Object({
  /** `quick`, the default, or `full`, which also compares every index with its table. */
  mode: Type.Optional(OneOf('quick', 'full')),
  /** Whether rows that refer to rows which are not there count as damage. */
  foreignKeys: Type.Optional(Type.Boolean())
}, closed)

const Text = Type.String({ minLength: 1, description: 'a text that is not empty' })

const Tables = Type.Array(Text, { minItems: 1, maxItems: 1000, description: 'a list of one or more names of tables' })
const Mode = OneOf('replace', 'missing-rows')

export const RestoreTablesBody = Type.Object({ tables: Tables, mode: Type.Optional(Mode) }, closed)

/** Which backup, and the database's name as a confirmation. */
export const RollbackBody = Type.Object({ backup: Type.Optional(Text), confirm: Type.Optional(Type.String()) }, closed)
export const ResetBody = Type.Object({ from: Type.Optional(OneOf('latest-snapshot', 'empty')), confirm: Type.Optional(Type.String()) }, closed)
export const MaintenanceBody = Type.Object({ reason: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'a text of 1 to 256 characters' })) }, closed)

/*
 * What the methods of SnapshotWriter take, for callers without types.
 */
export const CreateArguments = Type.Object({
  labels: CreateBody.properties.labels,
  full: CreateBody.properties.full,
  allowDamaged: Type.Optional(Type.Boolean()),
  trigger: Type.Optional(OneOf('manual', 'scheduled')),
  onCreating: Type.Optional(Type.Function([], Type.Any()))
}, closed)

export const SalvageArguments = Type.Object({
  destination: Type.Optional(Type.String({ pattern: '^[^\\0]+$', description: 'the path of a file' })),
  timeLimit: Type.Optional(Type.Integer({ minimum: 1, maximum: 0x7fffffff, description: 'a whole number of milliseconds from 1 to 2147483647' }))
}, closed)
export const TablesArgument = Tables
export const NameArgument = Text
export const RestoreTablesArguments = Type.Object({ mode: Type.Optional(Mode), before }, closed)
export const RollbackArguments = Type.Object({ backup: RollbackBody.properties.backup }, closed)
export const ResetArguments = Type.Object({ from: ResetBody.properties.from }, closed)

export const ListArguments = Type.Object({
  ...ListQuery.properties,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: PAGE_SIZE }))
}, closed)

export const RestoreArguments = Type.Object({ allowDamaged: Type.Optional(Type.Boolean()), before }, closed)

export const SourceArgument = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', description: 'the id of a deployment, as `source` of a snapshot tells it' })

export const PathArgument = Type.String({ pattern: '^[^\\0]+$', description: 'the path of a file' })

/** How many scheduled snapshots are kept. */
export const KeepLast = Type.Integer({ minimum: 1, description: 'a whole number of at least 1' })
