import type { SnapshotRow } from '../catalog/schema.ts'
import type { Manifest } from '../format/manifest.ts'

/** What the catalog keeps of a manifest. */
export function columnsOf ({ parent, completedAt, integrity, source, sqlite: { freePages }, image: { pageSize, pageCount, size, checksum, checksumAlgorithm } }: Manifest): Partial<SnapshotRow> {
  return { parentId: parent, completedAt, integrity, sourceHost: source.host, pageSize, pageCount, size, checksum, checksumAlgorithm, freePages: freePages ?? null }
}
