import Database from 'better-sqlite3'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalStorage, type SnapshotsPluginOptions } from '../../src/index.ts'
import { chunksOf } from '../../src/storage/put-file.ts'
import type { PutOptions } from '../../src/storage/snapshot-storage.ts'
import { damageDatabase, filesIn } from '../helpers/damage.ts'
import { makeDatabase, makeLargeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { startHost, type Host } from '../helpers/host.ts'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.ts'

interface Expected { statusCode: number, code: string, message: RegExp }

/** A creation by request fails with a certain error, leaves only its row, and health, metrics and log say so. */
async function checkFailure (t: Test, { request, snapshotDir, log }: Host, { statusCode, code, message }: Expected): Promise<void> {
  const before = filesIn(snapshotDir)
  const response = await request('POST', '/snapshots', { name: 'wanted' })
  t.equal(response.statusCode, statusCode)
  t.match(response.json(), { statusCode, code, message })
  if (statusCode === 503) t.ok(response.headers['retry-after'])

  const { snapshots } = (await request('GET', '/snapshots?status=FAILED')).json()
  t.match(snapshots, [{ name: 'wanted', status: 'FAILED', error: { code, message } }])
  t.same(filesIn(snapshotDir), before, 'nothing is left over')
  t.match((await request('GET', '/metrics')).body, /^snapshot_creation_failures_total\{database="app"\} 1$/m)
  t.not((await request('GET', '/health')).json().status, 'ok')
  const line = log.find(({ msg }) => msg.startsWith('Failed to create snapshot'))
  t.match(line?.err, { message: String }, 'the cause is in the log')
}

t.test('a database that is missing', async t => {
  const host = await startHost(t)
  rmSync(host.path)
  await checkFailure(t, host, { statusCode: 500, code: 'FST_SNAPSHOT_DATABASE_MISSING', message: /no database at/ })
  t.notOk(existsSync(host.path), 'none was made')
})

t.test('a file that is not a database', async t => {
  const host = await startHost(t)
  writeFileSync(host.path, 'This is a letter, not a database. '.repeat(500))
  await checkFailure(t, host, { statusCode: 500, code: 'FST_SNAPSHOT_NOT_A_DATABASE', message: /not a SQLite database/ })
})

t.test('a folder where the database should be', async t => {
  const host = await startHost(t)
  rmSync(host.path)
  mkdirSync(host.path)
  await checkFailure(t, host, { statusCode: 500, code: 'FST_SNAPSHOT_NOT_A_DATABASE', message: /not a SQLite database/ })
})

for (const journalMode of ['wal', 'delete'] as const) {
  t.test(`a database that another connection has locked for itself, journal mode ${journalMode}`, async t => {
    const host = await startHost(t, { lockTimeout: 100 })
    const other = new Database(host.path)
    t.teardown(() => { other.close() })
    other.pragma(`journal_mode = ${journalMode}`)
    other.pragma('locking_mode = EXCLUSIVE')
    other.exec('BEGIN EXCLUSIVE; CREATE TABLE other (a); COMMIT')
    await checkFailure(t, host, { statusCode: 503, code: 'FST_SNAPSHOT_DATABASE_LOCKED', message: /locking_mode=EXCLUSIVE/ })
  })
}

t.test('a damaged database', async t => {
  const path = join(testFolder(t), 'app.db')
  makeLargeDatabase(path, 1_000_000)
  const host = await startHost(t, { database: path })
  damageDatabase(path)
  await checkFailure(t, host, { statusCode: 500, code: 'FST_SNAPSHOT_DATABASE_DAMAGED', message: /is damaged/ })
  t.equal((await host.request('GET', '/health')).statusCode, 503, 'health is unhealthy')
  t.match((await host.request('GET', '/metrics')).body, /^database_integrity_healthy\{database="app"\} 0$/m)
})

t.test('a database whose schema is damaged', async t => {
  const host = await startHost(t)
  const database = new Database(host.path)
  database.unsafeMode()
  database.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'items_text'")
  database.close()
  await checkFailure(t, host, { statusCode: 500, code: 'FST_SNAPSHOT_DATABASE_DAMAGED', message: /malformed database schema/ })
})

t.test('a file where a folder of the storage should be', async t => {
  const host = await startHost(t)
  mkdirSync(join(host.folder, 'backups', 'app'))
  writeFileSync(join(host.folder, 'backups', 'app', 'packs'), '')
  await checkFailure(t, host, { statusCode: 500, code: 'FST_SNAPSHOT_CREATE_FAILED', message: /^Failed to create snapshot: / })
})

t.test('a storage that fails in the middle', async t => {
  class FailingStorage extends LocalStorage {
    override async put (...[key, body, options]: Parameters<LocalStorage['put']>): Promise<{ bytes: number }> {
      if (key.includes('/snapshots/')) throw new Error('the cable was cut')
      return await super.put(key, body, options)
    }
  }
  const folder = testFolder(t, { stored: {} })
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const storage = new FailingStorage(join(folder, 'stored'))
  const host = await startHost(t, { database: path, storage })
  await checkFailure(t, host, { statusCode: 500, code: 'FST_SNAPSHOT_CREATE_FAILED', message: /^Failed to create snapshot: the cable was cut$/ })
  t.match(filesIn(join(folder, 'stored')), [/data\.zst$/], 'the pack is kept for the next one')
})

t.test('a storage that takes only a part', async t => {
  class ForgetfulStorage extends LocalStorage {
    override async put (...args: Parameters<LocalStorage['put']>): Promise<{ bytes: number }> {
      const { bytes } = await super.put(...args)
      return { bytes: bytes - 1 }
    }

    override async putFile (key: string, file: string, options?: PutOptions): Promise<{ bytes: number }> {
      return await this.put(key, chunksOf(file), options)
    }
  }
  const folder = testFolder(t, { stored: {} })
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const host = await startHost(t, { database: path, storage: new ForgetfulStorage(join(folder, 'stored')) })
  await checkFailure(t, host, { statusCode: 500, code: 'FST_SNAPSHOT_CREATE_FAILED', message: /the storage took \d+ bytes of \d+/ })
})

t.test('a disk without room for what is stored', { skip: noSmallDisk }, async t => {
  const folder = testFolder(t)
  const database = makeDatabase(join(folder, 'app.db'))
  database.exec('INSERT INTO items (data) VALUES (randomblob(4000000))')
  database.close()
  const host = await startHost(t, { database: join(folder, 'app.db'), snapshotDir: mountSmallDisk(t, 3) })
  await checkFailure(t, host, { statusCode: 507, code: 'FST_SNAPSHOT_NO_ROOM', message: /Not enough disk space/ })
})

t.test('a disk that gets full while the snapshot is stored, with the catalog on it', { skip: noSmallDisk }, async t => {
  const folder = testFolder(t)
  makeLargeDatabase(join(folder, 'app.db'), 4_000_000)
  const snapshotDir = mountSmallDisk(t, 6)
  const ballast = join(snapshotDir, 'ballast')
  class FillingStorage extends LocalStorage {
    override async put (...args: Parameters<LocalStorage['put']>): Promise<{ bytes: number }> {
      fillDisk(ballast)
      return await super.put(...args)
    }
  }
  const options: SnapshotsPluginOptions = { database: join(folder, 'app.db'), snapshotDir, storage: new FillingStorage(snapshotDir) }
  const host = await startHost(t, options)
  await host.app.snapshots.recovery.validateDatabaseIntegrity()
  writeFileSync(ballast, '')
  await checkFailure(t, host, { statusCode: 507, code: 'FST_SNAPSHOT_NO_ROOM', message: /Not enough disk space/ })

  rmSync(ballast)
  const { statusCode } = await host.request('PATCH', '/snapshots/wanted', { pinned: true })
  t.equal(statusCode, 409, 'the failed snapshot is known, and has nothing stored')
  await host.app.close()
  const next = await startHost(t, { database: join(folder, 'app.db'), snapshotDir })
  t.match((await next.request('GET', '/snapshots')).json().snapshots, [{ name: 'wanted', status: 'FAILED' }], 'a restart has not forgotten it')
})

function fillDisk (file: string): void {
  for (const bytes of [1024 * 1024, 64 * 1024, 4096]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(bytes, 1), { flag: 'a' })
    } catch {}
  }
}
