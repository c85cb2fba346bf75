import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { Catalog } from '../../src/catalog/catalog.ts'
import type { SnapshotRow } from '../../src/catalog/schema.ts'
import { insertSnapshot, updateSnapshotRow } from '../../src/catalog/snapshots.ts'
import { testFolder } from './folder.ts'

/** The catalog of a folder, closed when the test ends. */
export function openCatalog (t: Test, folder = testFolder(t)): Catalog {
  const catalog = Catalog.open(folder)
  t.teardown(() => {
    try {
      catalog.close()
    } catch {} // tests that are about closing do it themselves; the teardowns behind this one must run
  })
  return catalog
}

/** Adds a snapshot to the catalog, COMPLETED unless something else is asked for. */
export function addSnapshot (catalog: Catalog, name: string, change: Partial<SnapshotRow> = {}): SnapshotRow {
  const row = insertSnapshot(catalog, {
    id: randomUUID(), database: 'app', name, status: 'COMPLETED', trigger: 'manual', source: catalog.source, integrity: 'ok', replicas: [{ storage: 'local', state: 'STORED' }], createdAt: '2026-11-22T10:00:00.000Z', ...change
  })
  return change.sequence === undefined ? row : updateSnapshotRow(catalog, row.id, { sequence: change.sequence }) as SnapshotRow
}
