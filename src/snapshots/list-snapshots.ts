import { pageOfSnapshots } from '../catalog/snapshots.ts'
import type { SnapshotContext } from './context.ts'
import { toSnapshot, type Snapshot } from './snapshot.ts'
import type { ListOptions } from './writer-options.ts'

/** One page of the snapshots, and where the next one begins. */
export function listSnapshots ({ catalog, settings: { databaseName } }: SnapshotContext, { limit = 100, cursor, status, order = 'desc' }: ListOptions): { snapshots: Snapshot[], nextCursor: string | null } {
  const { rows, more } = pageOfSnapshots(catalog, databaseName, { limit, order, ...(status && { status }), ...(cursor !== undefined && { after: decodeCursor(cursor) }) })
  const last = rows.at(-1)
  return { snapshots: rows.map(toSnapshot), nextCursor: more && last !== undefined ? `${last.sequence}.${last.id}` : null }
}

function decodeCursor (cursor: string): { sequence: number, id: string } {
  const [sequence = '', id = ''] = cursor.split('.')
  return { sequence: Number(sequence), id }
}
