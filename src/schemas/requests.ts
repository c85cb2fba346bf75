import { Type } from '@sinclair/typebox'
import { Labels } from '../format/marks.ts'

/*
 * What the routes take. Unknown fields are refused: a mistyped option must not pass for the default.
 */
const closed = { additionalProperties: false }

export const Status = Type.Union([Type.Literal('CREATING'), Type.Literal('COMPLETED'), Type.Literal('SUCCESS'), Type.Literal('FAILED')])

export const CreateBody = Type.Object({
  /** 1 to 128 letters, digits, `.`, `_` and `-`; default: the database's name and the time. */
  name: Type.Optional(Type.String()),
  labels: Type.Optional(Labels),
  /** Store everything anew. */
  full: Type.Optional(Type.Boolean())
}, closed)

export const ListQuery = Type.Object({
  /** Snapshots on a page, 1 to 1000; default 100. A pattern, as a conversion would take `1.5` for 1. */
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]{0,2}|1000)$' })),
  /** `nextCursor` of the page before. */
  cursor: Type.Optional(Type.String({ pattern: '^\\d{1,15}\\.[0-9a-f-]{36}$' })),
  status: Type.Optional(Status),
  order: Type.Optional(Type.Union([Type.Literal('asc'), Type.Literal('desc')]))
}, closed)

/** A name, an id, or `latest`. Names over 100 characters come in two parts (see routes/snapshot-path.ts). */
export const SnapshotParams = Type.Object({ name: Type.String(), rest: Type.Optional(Type.String()) }, closed)

export const SnapshotQuery = Type.Object({
  /** With `latest`: the newest one not younger than this time. */
  before: Type.Optional(Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?(Z|[+-]\\d{2}:\\d{2}))?$' }))
}, closed)

export const UpdateBody = Type.Object({ pinned: Type.Optional(Type.Boolean()), labels: Type.Optional(Labels) }, closed)

export const NoBody = Type.Object({}, closed)

export const IntegrityBody = Type.Object({
  /** `quick`, the default, or `full`, which also compares every index with its table. */
  mode: Type.Optional(Type.Union([Type.Literal('quick'), Type.Literal('full')]))
}, closed)
