import { isDeepStrictEqual } from 'node:util'
import type { SnapshotRow } from '../catalog/schema.ts'
import { packsOf, recordPacks } from '../catalog/snapshot-packs.ts'
import { isNameTaken, updateSnapshotRow } from '../catalog/snapshots.ts'
import type { Manifest } from '../format/manifest.ts'
import type { Marks } from '../format/marks.ts'
import type { SnapshotContext } from './context.ts'
import { columnsOf } from './manifest-columns.ts'
import { firstFree } from './snapshot-name.ts'

/*
 * The catalog has no checksums, what is stored has: where the two differ in what neither changes by itself, the catalog is
 * damaged. It is put right, and the log says so.
 */

/** By a manifest whose snapshot is whole. */
export function correctRow (context: SnapshotContext, row: SnapshotRow, manifest: Manifest): void {
  const { catalog, settings: { databaseName } } = context
  const { name, sequence, trigger, createdAt } = manifest
  // One that was taken over may have got a number.
  const isNamed = row.name === name || (row.name.startsWith(`${name}-`) && /^\d+$/.test(row.name.slice(name.length + 1)))
  correct(context, row, {
    ...columnsOf(manifest),
    sequence,
    trigger: trigger as SnapshotRow['trigger'],
    createdAt: new Date(createdAt).toISOString(),
    completedAt: new Date(manifest.completedAt).toISOString(),
    ...!isNamed && { name: firstFree(name, '-', taken => isNameTaken(catalog, databaseName, taken, row.source)) }
  })
  const packs = manifest.packs.map(({ id }) => id)
  if (isDeepStrictEqual(new Set(packs), new Set(packsOf(catalog, row.id)))) return
  catalog.write(database => { recordPacks(database, row.id, packs) })
  report(context, row, ['packs'])
}

/** By marks of the revision that the catalog knows. */
export function correctMarks (context: SnapshotContext, row: SnapshotRow, { source = row.source, revision, pinned, labels }: Marks): void {
  if (revision === row.marksRevision && source === row.source) correct(context, row, { pinned, labels })
}

function correct (context: SnapshotContext, row: SnapshotRow, right: Partial<SnapshotRow>): void {
  const wrong = Object.entries(right).filter(([column, value]) => !isDeepStrictEqual(row[column as keyof SnapshotRow], value)).map(([column]) => column)
  if (wrong.length === 0) return
  updateSnapshotRow(context.catalog, row.id, right)
  report(context, row, wrong)
}

function report ({ logger }: SnapshotContext, { id, name }: SnapshotRow, columns: string[]): void {
  logger.error({ id, columns }, `The catalog contradicted what is stored of the snapshot ${name}, and was put right (${columns.join(', ')}). Its disk may be damaged`)
}
