import { Type, type TLiteral, type TSchema, type TUnion } from '@sinclair/typebox'
import { ValueErrorType } from '@sinclair/typebox/errors'
import { Value } from '@sinclair/typebox/value'
import { InvalidRequestError } from '../errors.ts'

/*
 * What does not fit a schema, in words. A schema says in its `description` what is allowed ("a path such as /snapshots"):
 * TypeBox itself could only show a regular expression, or that nothing of a union fits.
 */

/** The first thing that does not fit. */
export interface Problem {
  /** Where it is: `/labels/reason`, empty for the whole value. */
  path: string
  /** What is allowed there. */
  words: string
}

/** What does not fit a schema, or undefined where everything does. */
export function problemIn (schema: TSchema, value: unknown): Problem | undefined {
  const error = Value.Errors(schema, value).First()
  return error && { path: error.path, words: inWords(error.type, error.schema, error.message) }
}

/**
 * Checks an argument of a method as the routes check a request.
 * @throws FST_SNAPSHOT_INVALID_REQUEST
 */
export function requireFit (schema: TSchema, value: unknown, name: string): void {
  const problem = problemIn(schema, value)
  if (problem !== undefined) throw new InvalidRequestError(`${name}${problem.path}: ${problem.words}`)
}

function inWords (type: ValueErrorType, { description, properties }: TSchema, message: string): string {
  if (type === ValueErrorType.ObjectRequiredProperty) return 'it is missing'
  if (type === ValueErrorType.ObjectAdditionalProperties && properties !== undefined) {
    const known = Object.keys(properties)
    return known.length === 0 ? 'nothing is taken here' : `it is not known; known are ${known.join(', ')}`
  }
  return description === undefined ? message : `it must be ${description}`
}

/** One of some words. */
export function OneOf<T extends string> (...values: T[]): TUnion<Array<TLiteral<T>>> {
  return Type.Union(values.map(value => Type.Literal(value)), { description: `one of ${values.join(', ')}` })
}

/** An option that is given as undefined is one that is not given. */
export function withoutUndefined<T extends object> (options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
