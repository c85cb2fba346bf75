import Database from 'better-sqlite3'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type * as Package from '../../src/index.ts'
import { SnapshotWriter } from '../helpers/built.ts'
import { damageDatabase } from '../helpers/damage.ts'
import { makeDatabase, type DatabaseOptions } from '../helpers/databases.ts'
import { damageHeader, makeCatalogOld } from './damage.ts'
import type { Place, Victim } from './place.ts'
import { runScript } from '../helpers/run-script.ts'

/** Something that is killed at each of its steps. */
export interface Operation {
  /** Brings a deployment of two snapshots into the state in which it is done. */
  prepare: (place: Place) => void | Promise<void>
  run: (writer: Package.SnapshotWriter) => Promise<unknown>
  /** Whether it changes the live database; then the last restore tells how it ended. */
  isChange: boolean
  database?: DatabaseOptions
  /** Steps that it passes at least. */
  least: number
}

const nothing = (): void => {}

/** The last thing a process did before it was killed. */
const killed = (operation: string, at: string, whom: Victim) => async (place: Place): Promise<void> => {
  await operations[operation]?.prepare(place)
  const { steps } = await place.run(operation, { at, whom })
  if (steps.at(-1) !== at && !steps.includes(at)) throw new Error(`${operation} did not pass ${at}`)
}

export const operations: Record<string, Operation> = {
  'a full creation': { prepare: nothing, run: async writer => await writer.createSnapshot('made', { full: true, labels: { made: 'full' } }), isChange: false, least: 12 },
  'an incremental creation': { prepare: nothing, run: async writer => await writer.createSnapshot('made'), isChange: false, least: 10 },
  'a restore': { prepare: nothing, run: async writer => await writer.restoreFromSnapshot('first'), isChange: true, least: 20 },
  'a restore in rollback-journal mode': { prepare: nothing, run: async writer => await writer.restoreFromSnapshot('first'), isChange: true, database: { journalMode: 'delete' }, least: 20 },
  'a restore where no database is': {
    prepare: ({ path }) => {
      rmSync(path)
      writeFileSync(`${path}-wal`, 'of an earlier database')
    },
    run: async writer => await writer.restoreFromSnapshot('first'),
    isChange: true,
    least: 12
  },
  'a restore over a damaged header': { prepare: ({ path }) => { damageHeader(path) }, run: async writer => await writer.restoreFromSnapshot('first'), isChange: true, least: 15 },
  'a restore over another page size': {
    prepare: async ({ path }) => {
      new Database(path).exec('PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL').close()
      await runScript('leave-wal', path)
    },
    run: async writer => await writer.restoreFromSnapshot('first'),
    isChange: true,
    least: 15
  },
  'a restore of tables': { prepare: nothing, run: async writer => await writer.restoreTables('first', ['items']), isChange: true, least: 15 },
  'a rollback': { prepare: async ({ path }) => { await use(path, async writer => await writer.restoreFromSnapshot('first')) }, run: async writer => await writer.recovery.rollback(), isChange: true, least: 15 },
  'a reset': { prepare: ({ path }) => { damageDatabase(path) }, run: async writer => await writer.recovery.emergencyDatabaseReset(), isChange: true, least: 15 },
  'a reset of an unreadable file': { prepare: ({ path }) => { damageHeader(path) }, run: async writer => await writer.recovery.emergencyDatabaseReset(), isChange: true, least: 15 },
  'a reset to an empty database': { prepare: ({ path }) => { damageDatabase(path) }, run: async writer => await writer.recovery.emergencyDatabaseReset({ from: 'empty' }), isChange: true, least: 15 },
  'a deletion of a shared snapshot': { prepare: nothing, run: async writer => { await writer.deleteSnapshot('first') }, isChange: false, least: 7 },
  'a deletion': { prepare: nothing, run: async writer => { await writer.deleteSnapshot('second') }, isChange: false, least: 7 },
  'a first start': { prepare: ({ folder }) => { for (const part of ['backups', 'recovery']) rmSync(join(folder, part), { recursive: true, force: true }) }, run: async () => {}, isChange: false, least: 5 },
  'a migration of the catalog': { prepare: ({ folder }) => { makeCatalogOld(join(folder, 'backups')) }, run: async writer => { await writer.listSnapshots() }, isChange: false, least: 4 },
  'the settling of a restore that had been applied': { prepare: killed('a restore', 'engine: apply: committed #1', 'host'), run: async writer => { await writer.settle() }, isChange: true, least: 4 },
  'the settling of a replaced file': { prepare: killed('a restore over a damaged header', 'engine: replace: replaced #1', 'host'), run: async writer => { await writer.settle() }, isChange: true, least: 4 },
  'the settling of a creation': { prepare: killed('an incremental creation', 'host: storage: file taken over #1', 'process'), run: async writer => { await writer.settle() }, isChange: false, least: 4 },
  'the settling of a deletion': { prepare: killed('a deletion', 'host: delete: recorded #1', 'process'), run: async writer => { await writer.settle() }, isChange: false, least: 4 }
}

/** A deployment with two snapshots, the second of which shares pages with the first, and a database that differs from both. */
export async function deploy ({ path }: Place, options: DatabaseOptions = {}): Promise<void> {
  makeDatabase(path, { rows: 400, ...options }).close()
  await use(path, async writer => {
    await writer.createSnapshot('first', { labels: { number: '1' } })
    change(path, "UPDATE items SET text = 'changed' WHERE id = 1; INSERT INTO items (text) VALUES ('second')")
    await writer.createSnapshot('second')
  })
  change(path, "UPDATE items SET text = 'now' WHERE id = 2; DELETE FROM items WHERE id > 350; INSERT INTO items (text) VALUES ('now')")
}

async function use (path: string, run: (writer: Package.SnapshotWriter) => Promise<unknown>): Promise<void> {
  const writer = new SnapshotWriter({ database: path })
  try {
    await run(writer)
  } finally {
    await writer.close()
  }
}

function change (path: string, sql: string): void {
  new Database(path).exec(sql).close()
}
