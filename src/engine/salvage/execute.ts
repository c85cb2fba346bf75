import type Database from 'better-sqlite3'
import { messageOf } from '../../errors.ts'
import type { SchemaRow } from './read-schema.ts'

/** Nothing else belongs in a schema, whatever a damaged file says. */
const ALLOWED = /^CREATE\s+(TABLE|(UNIQUE\s+)?INDEX|VIEW|TRIGGER)\b/i

/**
 * Executes a statement of a schema.
 * @param standIns collects the functions that only the application has; without it these are not replaced by stand-ins
 * @returns why it does not work; null where it does
 */
export function execute (database: Database.Database, { sql }: Pick<SchemaRow, 'sql'>, standIns?: Set<string>): string | null {
  if (sql === null || !ALLOWED.test(sql)) return 'its statement is damaged'
  try {
    database.prepare(sql).run() // never more than one statement
    return null
  } catch (error) {
    const name = /^no such function: (.+)$/.exec(messageOf(error))?.[1]
    if (name === undefined || standIns === undefined) return messageOf(error)
    standIns.add(name)
    database.function(name, { deterministic: true, varargs: true }, () => null)
    return execute(database, { sql }, standIns)
  }
}
