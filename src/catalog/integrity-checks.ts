import { eq } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { integrityChecks } from './schema.ts'

export type IntegrityRow = typeof integrityChecks.$inferSelect

/** Keeps the outcome of a check as the last one of its database. */
export function recordIntegrityCheck (catalog: Catalog, row: IntegrityRow): void {
  catalog.write(database => database.insert(integrityChecks).values(row)
    .onConflictDoUpdate({ target: integrityChecks.database, set: row }).run())
}

export function lastIntegrityCheck (catalog: Catalog, database: string): IntegrityRow | undefined {
  return catalog.read(query => query.select().from(integrityChecks).where(eq(integrityChecks.database, database)).get())
}
