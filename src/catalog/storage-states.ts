import { and, eq, isNotNull } from 'drizzle-orm'
import type { Catalog } from './catalog.ts'
import { storages, type StorageRow } from './schema.ts'

/** Notes something about a storage; what is not given stays. */
export function recordStorage (catalog: Catalog, database: string, storage: string, change: Partial<Pick<StorageRow, 'isUp' | 'checkedAt' | 'error' | 'listedAt' | 'markedAt'>>): void {
  catalog.write(query => query.insert(storages).values({ database, storage, ...change })
    .onConflictDoUpdate({ target: [storages.database, storages.storage], set: { database, ...change } }).run())
}

export function readStorage (catalog: Catalog, database: string, storage: string): StorageRow | undefined {
  return catalog.read(query => query.select().from(storages).where(and(eq(storages.database, database), eq(storages.storage, storage))).get())
}

/** The storages that the catalog was told all of once. */
export function listedStorages (catalog: Catalog, database: string): Set<string> {
  return new Set(catalog.read(query => query.select({ storage: storages.storage }).from(storages).where(and(eq(storages.database, database), isNotNull(storages.listedAt))).all()).map(({ storage }) => storage))
}
