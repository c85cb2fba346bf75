import Database from 'better-sqlite3'
import { getPriority } from 'node:os'
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SnapshotWriter } from '../../src/index.ts'
import { query } from '../helpers/bank.ts'
import { integrityOf, makeDatabase, type JournalMode } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { descriptorsOf, enginesOf, until } from '../helpers/processes.ts'
import { writerFor } from '../helpers/round-trip.ts'

/** A database with a snapshot, whose application now holds the write lock. */
async function prepare (t: Test, journalMode: JournalMode): Promise<{ path: string, recovery: string, writer: SnapshotWriter, application: Database.Database }> {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path, { journalMode }).close()
  const writer = writerFor(t, path)
  await writer.createSnapshot('before')
  const application = new Database(path, { timeout: 10_000 })
  t.teardown(() => { application.close() })
  application.exec('BEGIN IMMEDIATE')
  return { path, recovery: join(path, '..', 'recovery'), writer, application }
}

/** Waits until the engine that applies a restore has opened the database so often: to look at its header, by SQLite, and for its pages. */
async function untilApplying (path: string, times = 3): Promise<void> {
  await until(`the engine has opened the database ${times} times`, () => enginesOf(process.pid).some(pid => getPriority(pid) === getPriority() && descriptorsOf(pid, path) >= times))
}

const ordersIn = (path: string): number => Number(query(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'orders'")) === 0 ? 0 : Number(query(path, 'SELECT count(*) FROM orders'))

for (const journalMode of ['wal', 'delete'] as const) {
  t.test(`an application that queries its database synchronously all the time is not held up by its own restore, journal mode ${journalMode}`, async t => {
    const path = join(testFolder(t), 'app.db')
    const database = makeDatabase(path, { journalMode })
    database.pragma('busy_timeout = 2000')
    const writer = writerFor(t, path)
    await writer.createSnapshot('before')
    const errors: string[] = []
    const work = setInterval(() => {
      try {
        database.prepare("INSERT INTO items (text) VALUES ('more')").run()
      } catch (error) {
        errors.push((error as Error).message)
      }
    }, 1)
    t.teardown(() => { clearInterval(work); database.close() })
    for (let number = 0; number < 3; number++) await writer.restoreFromSnapshot('before')
    t.same(errors, [])
  })
}

t.test('a database that another one has replaced while its lock was waited for is not lost', async t => {
  const { path, recovery, writer, application } = await prepare(t, 'wal')
  const other = new Database(`${path}.new`)
  other.exec('CREATE TABLE orders (id); INSERT INTO orders VALUES (1), (2)')
  other.close()
  const restoring = writer.restoreFromSnapshot('before')
  await untilApplying(path)
  renameSync(`${path}.new`, path)
  application.exec('COMMIT')
  application.close()
  const { preRestoreBackup } = await restoring
  t.equal(ordersIn(String(preRestoreBackup)), 2)
  t.equal(integrityOf(path), 'ok')
  t.equal(query(path, 'SELECT count(*) FROM items'), 100)
  t.equal(readdirSync(recovery).filter(name => name.endsWith('.db')).length, 2, 'one backup and the link')
})

t.test('an application that changes to WAL mode while its lock is waited for loses no commit', async t => {
  const { path, writer, application } = await prepare(t, 'delete')
  const restoring = writer.restoreFromSnapshot('before')
  await untilApplying(path)
  application.exec('CREATE TABLE orders (id); INSERT INTO orders VALUES (1), (2); COMMIT')
  await until('the mode is changed', () => {
    try {
      return application.pragma('journal_mode = WAL', { simple: true }) === 'wal'
    } catch {
      return false // the restore is at it
    }
  })
  let acknowledged = 2
  try {
    for (let number = 0; number < 20; number++) {
      application.exec('INSERT INTO orders VALUES (3)')
      acknowledged++
    }
  } catch {} // the table is gone once the snapshot is there
  const { preRestoreBackup } = await restoring
  t.equal(ordersIn(String(preRestoreBackup)) + ordersIn(path), acknowledged)
  t.equal(integrityOf(String(preRestoreBackup)), 'ok')
})

t.test('an empty database that gets content of another kind while its lock is waited for is replaced, and its content kept', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const writer = writerFor(t, path)
  await writer.createSnapshot('before')
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  writeFileSync(path, '')
  const application = new Database(path, { timeout: 10_000 })
  t.teardown(() => { application.close() })
  application.exec('PRAGMA page_size = 512; BEGIN IMMEDIATE')
  const restoring = writer.restoreFromSnapshot('before')
  await untilApplying(path)
  application.exec('CREATE TABLE orders (id); INSERT INTO orders VALUES (1), (2); COMMIT')
  const { preRestoreBackup, replacement } = await restoring
  t.equal(ordersIn(String(preRestoreBackup)), 2)
  t.match(replacement, { reason: /page size/, heldBy: [process.pid] })
})

t.test('an application that changes its page size while its lock is waited for gets another file, and what it committed is kept', async t => {
  const { path, writer, application } = await prepare(t, 'delete')
  const restoring = writer.restoreFromSnapshot('before')
  await untilApplying(path)
  application.pragma('locking_mode = EXCLUSIVE') // the restore does not come in between
  application.exec('CREATE TABLE orders (id); INSERT INTO orders VALUES (1); COMMIT')
  application.exec('PRAGMA page_size = 8192; VACUUM; PRAGMA locking_mode = NORMAL; SELECT * FROM orders')
  const { preRestoreBackup, replacement } = await restoring
  t.equal(ordersIn(String(preRestoreBackup)), 1)
  t.match(replacement, { reason: /page size/, heldBy: [process.pid] })
  t.equal(integrityOf(path), 'ok')
})

t.test('a database that appears while it is restored to an empty place is not overwritten', async t => {
  const { path, recovery, writer, application } = await prepare(t, 'wal')
  application.exec('COMMIT')
  application.close()
  for (const suffix of ['', '-wal', '-shm']) if (existsSync(path + suffix)) renameSync(path + suffix, `${path}.old${suffix}`)
  const restoring = writer.restoreFromSnapshot('before').catch(error => error)
  await until('an engine of normal priority is there', () => enginesOf(process.pid).some(pid => getPriority(pid) === getPriority()))
  new Database(path).exec('CREATE TABLE IF NOT EXISTS orders (id); INSERT INTO orders VALUES (1)').close()
  const outcome = await restoring
  const backups = readdirSync(recovery).filter(name => /^pre_restore_\d.*\.db$/.test(name)).map(name => join(recovery, name))
  t.ok([path, ...backups].some(file => ordersIn(file) === 1), 'what the application committed is there, or in a pre-restore backup')
  if (outcome instanceof Error) t.match(outcome, { code: 'FST_SNAPSHOT_RESTORE_FAILED' })
  else t.equal(query(path, 'SELECT count(*) FROM items'), 100)
})

for (const [when, times] of [['while it is opened for a restore', 1], ['while a restore waits for its lock', 3]] as const) {
  t.test(`a database that vanishes ${when} leaves its content in the pre-restore backup`, async t => {
    const { path, writer, application } = await prepare(t, 'wal')
    application.exec('CREATE TABLE orders (id); INSERT INTO orders VALUES (1), (2); COMMIT; BEGIN IMMEDIATE')
    const restoring = writer.restoreFromSnapshot('before')
    await untilApplying(path, times)
    for (const suffix of ['', '-wal', '-shm']) renameSync(path + suffix, `${path}.gone${suffix}`)
    application.close()
    const { preRestoreBackup } = await restoring
    t.equal(ordersIn(String(preRestoreBackup)), 2)
    t.equal(query(path, 'SELECT count(*) FROM items'), 100)
  })
}
