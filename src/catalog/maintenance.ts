import { eq } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { maintenance } from './schema.ts'

export type MaintenanceRow = typeof maintenance.$inferSelect

/** Notes that an application takes no changes from now on; where that is so already, only why. */
export function recordMaintenance (catalog: Catalog, row: MaintenanceRow): MaintenanceRow {
  return catalog.write(database => database.insert(maintenance).values(row)
    .onConflictDoUpdate({ target: maintenance.database, set: { reason: row.reason } }).returning().get())
}

export function forgetMaintenance (catalog: Catalog, database: string): void {
  catalog.write(query => query.delete(maintenance).where(eq(maintenance.database, database)).run())
}

export function readMaintenance (catalog: Catalog, database: string): MaintenanceRow | undefined {
  return catalog.read(query => query.select().from(maintenance).where(eq(maintenance.database, database)).get())
}
