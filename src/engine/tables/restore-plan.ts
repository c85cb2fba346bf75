import type Database from 'better-sqlite3'
import { NotRestorableError } from '../../errors.ts'
import { findNamed, isSameName, objectsOf, tablesOf } from './schema.ts'
import type { Column, SchemaObject, Table } from './reports.ts'

/** A table that is to be restored. */
export interface PlannedTable {
  snapshot: Table
  /** Null where the live database does not have it. */
  live: Table | null
  /** Its triggers in the live database; the snapshot's where it is not there. */
  triggers: SchemaObject[]
  /** What has to be made besides a table that is not there. */
  indexes: SchemaObject[]
}

/**
 * Finds the tables to restore in both databases of a connection.
 * @throws FST_SNAPSHOT_NOT_RESTORABLE where one cannot be: it is not in the snapshot, belongs to a module, or has other columns now
 */
export function planRestore (database: Database.Database, names: string[], snapshotName: string): PlannedTable[] {
  const refuse = (reason: string): never => { throw new NotRestorableError(snapshotName, reason) }
  const [theirs, ours] = [tablesOf(database, 'snapshot'), tablesOf(database, 'main')]
  const [theirObjects, ourObjects] = [objectsOf(database, 'snapshot'), objectsOf(database, 'main')]
  const tables = names.map(name => findNamed(theirs, name) ?? refuse(`it has no table "${name}"`))
  return [...new Set(tables)].map(snapshot => {
    const { name, kind } = snapshot
    if (kind !== 'table') refuse(`its table "${name}" is ${kind === 'virtual' ? 'a virtual one' : 'part of a virtual one'}; restore the tables it is made of, or everything`)
    const live = findNamed(ours, name) ?? null
    const objects = (live === null ? theirObjects : ourObjects).filter(({ table, type }) => type !== 'view' && isSameName(table, name))
    const [triggers, indexes] = ['trigger', 'index'].map(type => objects.filter(object => object.type === type)) as [SchemaObject[], SchemaObject[]]
    if (live !== null) {
      const differences = differencesBetween(snapshot, live)
      if (differences.length > 0) refuse(`its table "${name}" is not the live one: ${differences.join('; ')}. Restore everything, or restore to a file and copy what is wanted`)
    } else {
      for (const wanted of [name, ...objects.map(object => object.name)]) {
        const taken = [...ours.map(table => ({ ...table, type: 'table' })), ...ourObjects].find(object => isSameName(object.name, wanted))
        if (taken !== undefined) refuse(`its table "${name}" needs the name "${wanted}", which the live database has for another ${taken.type}`)
      }
    }
    return { snapshot, live, triggers, indexes }
  })
}

function differencesBetween (snapshot: Table, live: Table): string[] {
  const columnsOnlyIn = (columns: Column[], others: Column[], where: string): string[] =>
    columns.filter(({ name }) => findNamed(others, name) === undefined).map(({ name }) => `column "${name}" is only in the ${where}`)
  const other = live.columns.flatMap(column => {
    const theirs = findNamed(snapshot.columns, column.name)
    return theirs === undefined || describe(theirs) === describe(column) ? [] : [`column "${column.name}" is ${describe(theirs)} in the snapshot, ${describe(column)} in the live database`]
  })
  const rowid = snapshot.isWithoutRowid === live.isWithoutRowid ? [] : [`it is WITHOUT ROWID in the ${live.isWithoutRowid ? 'live database' : 'snapshot'} only`]
  return [...columnsOnlyIn(snapshot.columns, live.columns, 'snapshot'), ...columnsOnlyIn(live.columns, snapshot.columns, 'live database'), ...other, ...rowid]
}

const describe = ({ type, keyPosition, generated }: Column): string =>
  [type === '' ? 'untyped' : type.toUpperCase(), ...keyPosition > 0 ? [`part ${keyPosition} of the key`] : [], ...generated !== null ? [`generated (${generated})`] : []].join(', ')
