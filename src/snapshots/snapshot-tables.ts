import { randomUUID } from 'node:crypto'
import type { SnapshotRow } from '../catalog/schema.ts'
import type { DatabaseContents, DatabaseDiff } from '../engine/tables/reports.ts'
import type { SnapshotContext } from './context.ts'
import { removeDatabase } from './remove-database.ts'
import { requireRestorable } from './restore-snapshot.ts'
import { stageSnapshot } from './stage-snapshot.ts'

/** Tables, rows and schema of a snapshot. */
export async function inspectSnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<DatabaseContents> {
  return await staged(context, row, signal, async file => await context.runEngine('inspect-tables', { file }, { signal }))
}

/** How the live database differs from a snapshot. */
export async function diffSnapshot (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal): Promise<DatabaseDiff> {
  return await staged(context, row, signal, async image => await context.runEngine('diff-tables', { target: context.target, image, name: row.name }, { signal }))
}

/** Uses the image of a snapshot as a file that nobody else has. */
async function staged<T> (context: SnapshotContext, row: SnapshotRow, signal: AbortSignal, use: (image: string) => Promise<T>): Promise<T> {
  requireRestorable(row, true)
  const file = context.temporaryFile(`tables-${randomUUID()}.db`)
  try {
    await stageSnapshot(context, row, file, false, signal)
    return await use(file)
  } finally {
    removeDatabase(file)
  }
}
