import Database from 'better-sqlite3'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SnapshotOptions, SnapshotWriter } from '../../src/index.ts'
import { flipBit } from '../helpers/damage.ts'
import { contentOf, makeLargeDatabase, type DatabaseOptions } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { packsOf } from '../helpers/packs.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'
import { sha256OfFile, writerFor } from '../helpers/round-trip.ts'

interface Prepared { path: string, file: string, storage: RemoteStorage, writer: SnapshotWriter, checksum: string, packBytes: number }

/** A snapshot of ten frames in a storage that is not on this machine. */
async function prepare (t: Test, options: DatabaseOptions = {}): Promise<Prepared> {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeLargeDatabase(path, 10_000_000, options)
  const storage = new RemoteStorage(join(folder, 'backups'))
  const writer = writerFor(t, path, { storage })
  const { checksum } = await writer.createSnapshot('first')
  storage.given = 0
  return { path, storage, writer, file: join(folder, 'restored.db'), checksum: String(checksum), packBytes: readFileSync(String(packsOf(folder)[0])).length }
}

/** Restores to a file, and says which part of the pack was fetched for that. */
async function fetched ({ storage, writer, file, checksum, packBytes }: Prepared, t: Test): Promise<number> {
  storage.given = 0
  await writer.restoreToFile('first', file)
  t.equal(sha256OfFile(file), checksum)
  rmSync(file)
  return storage.given / packBytes
}

function change (path: string, sql: string): Database.Database {
  const database = new Database(path)
  database.exec(sql)
  return database
}

for (const journalMode of ['wal', 'delete'] as const) {
  t.test(`of a database that is as it was only the page map is fetched, ${journalMode}`, async t => {
    const prepared = await prepare(t, { journalMode })
    t.ok(await fetched(prepared, t) < 0.01)
  })

  t.test(`of a database that has changed here and there only the frames with changes are fetched, ${journalMode}`, async t => {
    const prepared = await prepare(t, { journalMode })
    const database = change(prepared.path, "UPDATE items SET data = x'00' WHERE id = 600")
    const part = await fetched(prepared, t)
    t.ok(part > 0.05 && part < 0.6, `${part} of the pack`)
    const before = contentOf(prepared.path)
    await prepared.writer.restoreFromSnapshot('first')
    t.notSame(contentOf(prepared.path), before)
    t.ok(prepared.storage.given < 0.6 * prepared.packBytes, 'a live restore does the same')
    database.close()
  })
}

t.test('a database that has become shorter gives what it still has', async t => {
  const prepared = await prepare(t)
  change(prepared.path, 'DELETE FROM items WHERE id > 300; VACUUM').close()
  t.ok(await fetched(prepared, t) > 0.5)
})

const otherwise: Record<string, (path: string) => void> = {
  'has other content': path => { change(path, 'UPDATE items SET data = randomblob(length(data))').close() },
  'has another page size': path => { change(path, 'PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM').close() },
  'is no database': path => { writeFileSync(path, 'no database at all '.repeat(10_000)) },
  'is not there': path => { for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true }) }
}
for (const [what, inflict] of Object.entries(otherwise)) {
  t.test(`where the live database ${what} everything is fetched`, async t => {
    const prepared = await prepare(t)
    inflict(prepared.path)
    t.ok(await fetched(prepared, t) > 0.9)
  })
}

t.test('where the live database stays locked everything is fetched, without waiting for it', async t => {
  const prepared = await prepare(t, { journalMode: 'delete' })
  const database = change(prepared.path, 'BEGIN EXCLUSIVE')
  t.ok(await fetched(prepared, t) > 0.9)
  database.close()
})

t.test('snapshots of another compression level are fetched', async t => {
  const { path, storage, writer, ...prepared } = await prepare(t)
  await writer.close()
  const options: SnapshotOptions = { storage, compressionLevel: 5 }
  t.ok(await fetched({ path, storage, ...prepared, writer: writerFor(t, path, options) }, t) > 0.9)
})

t.test('a verification reads what is stored, whatever the live database has', async t => {
  const { storage, writer, packBytes } = await prepare(t)
  t.match(await writer.verifySnapshot('first'), { isHealthy: true })
  t.ok(storage.given > 0.9 * packBytes)
  for (const pack of packsOf(t.testdirName)) flipBit(pack, 0.5)
  t.match(await writer.verifySnapshot('first'), { isHealthy: false })
})
