import { InvalidNameError } from '../errors.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Words that stand where a name could stand in a route. */
const RESERVED = new Set(['latest', 'operations', 'integrity', 'recovery', 'retention', 'drills', 'audit', 'console', 'maintenance'])

/**
 * A name is 1 to 128 letters, digits, dots, underscores and hyphens, the first a letter or digit; it holds no `..`, is no
 * UUID (that is an id) and no word of the routes.
 * @throws FST_SNAPSHOT_INVALID_NAME
 */
export function checkName (name: string): void {
  // Callers without types may give anything.
  if (typeof name !== 'string') throw new InvalidNameError(`(${typeof name})`, 'a name is a text')
  const refuse = (why: string): never => { throw new InvalidNameError(JSON.stringify(name.slice(0, 200)), why) }
  if (!NAME.test(name)) refuse('use 1 to 128 letters, digits, ".", "_" and "-", beginning with a letter or digit')
  if (name.includes('..')) refuse('".." is not allowed')
  if (UUID.test(name)) refuse('it looks like the id of a snapshot')
  if (RESERVED.has(name.toLowerCase())) refuse('it is a word of the routes')
}

/** A moment as it stands in names: `20240115T093000Z`. */
export function timeStamp (time: Date): string {
  return time.toISOString().replace(/[-:]|\.\d+/g, '')
}

/** The name of a snapshot that was given none; with a suffix where that is taken. */
export function defaultName (database: string, time: Date, isTaken: (name: string) => boolean): string {
  const name = `${database.slice(0, 100)}-${timeStamp(time)}`
  return firstFree(name, '-', isTaken)
}

/** The name itself, or with the first free number from 2 behind it. */
export function firstFree (name: string, separator: string, isTaken: (name: string) => boolean): string {
  let free = name
  for (let number = 2; isTaken(free); number++) free = `${name}${separator}${number}`
  return free
}
