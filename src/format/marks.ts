import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { sha256Hex } from './checksum.ts'

/** Words of an operator's own: up to 32, names of 1 to 64 letters, digits, `.`, `_` and `-`, values of up to 256 characters. */
export const Labels = Type.Record(Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$' }), Type.String({ maxLength: 256 }), { additionalProperties: false, maxProperties: 32 })
export type Labels = Static<typeof Labels>

/** What an operator may change about a stored snapshot, kept beside its manifest. */
export const Marks = Type.Object({
  /** Whose snapshot it is: another deployment's than the manifest's where that one took it over. */
  source: Type.Optional(Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' })),
  /** How often it was taken over by another deployment; left out for never. What says less is from before. */
  takeovers: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Grows by one with every change. */
  revision: Type.Integer({ minimum: 1 }),
  pinned: Type.Boolean(),
  labels: Labels,
  /** Set before the parts of a snapshot are removed, so an interrupted deletion is not taken for a snapshot. */
  deletedAt: Type.Union([Type.String(), Type.Null()])
})
export type Marks = Static<typeof Marks>

/** The stored bytes: the marks on the first line, their checksum on the second, as in a manifest. */
export function encodeMarks (marks: Marks): Buffer {
  const body = JSON.stringify(marks)
  return Buffer.from(`${body}\n${JSON.stringify({ sha256: sha256Hex(body) })}\n`)
}

/** Reads and checks marks; those of one line, as somebody may have written them by hand, have no checksum. @throws Error if they are none. */
export function decodeMarks (bytes: Buffer): Marks {
  const [body = '', checksumLine = ''] = bytes.toString('utf8').split('\n')
  if (checksumLine !== '' && (JSON.parse(checksumLine) as { sha256?: unknown } | null)?.sha256 !== sha256Hex(body)) throw new Error('the checksum of the marks does not match')
  return Value.Decode(Marks, JSON.parse(body))
}
