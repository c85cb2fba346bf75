import { FormatRegistry, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Test } from 'tap'

FormatRegistry.Set('date-time', text => new Date(text).toISOString() === text)

/** Whether an answer is what its schema says, and the schema says all of what is in it. */
export function fitsSchema (t: Test, schema: TSchema, answer: unknown): void {
  t.same([...Value.Errors(schema, answer)].map(({ path, message }) => `${path}: ${message}`), [], 'it is what the schema says')
  t.same(Value.Clean(schema, structuredClone(answer)), answer, 'the schema says all of it')
}
