import Database from 'better-sqlite3'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { SnapshotWriter } from '../helpers/built.ts'
import { makeData } from './data.ts'

const MINUTE_MS = 60_000
const FAILED_EVERY = 100
const START = Date.parse('2026-01-01T00:00:00Z')

export interface FilledCatalog {
  database: string
  snapshotDir: string
  /** The cursor behind the middle one. */
  middle: string
}

/** Makes a catalog of so many snapshots by copying the row of a real one, which is the newest: one a minute, some of them failed. */
export async function fillCatalog (folder: string, count: number, isThere: (number: number) => boolean): Promise<FilledCatalog> {
  const [database, snapshotDir] = [join(folder, 'app.db'), join(folder, 'snapshots')]
  makeData(database, 1_000_000)
  const writer = new SnapshotWriter({ database, snapshotDir })
  await writer.createSnapshot()
  await writer.close()

  const file = new Database(join(snapshotDir, 'catalog.db'))
  file.exec(`UPDATE snapshots SET sequence = ${count}`)
  const real = file.prepare('SELECT * FROM snapshots').get() as Record<string, unknown>
  const insert = file.prepare(`INSERT INTO snapshots VALUES (${Object.keys(real).map(name => `@${name}`).join(', ')})`)
  const failure = { status: 'FAILED', size: null, storedSize: null, checksum: null, integrity: null, replicas: '[]', error: '{"code":"FST_SNAPSHOT_DATABASE_LOCKED","message":"the database stays locked"}' }
  let middle = ''
  file.transaction(() => {
    for (let number = 1; number < count; number++) {
      const at = (minutes: number): string => new Date(START + (number + minutes) * MINUTE_MS).toISOString()
      const id = randomUUID()
      if (number === count / 2) middle = `${number}.${id}`
      insert.run({
        ...real,
        ...(number % FAILED_EVERY === 0 && failure),
        id,
        sequence: number,
        name: `app-${number}`,
        createdAt: at(0),
        completedAt: at(0.05),
        ...(!isThere(number) && { deletedAt: at(60), replicas: '[]' })
      })
    }
  })()
  file.close()
  return { database, snapshotDir, middle }
}
