import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { S3Storage, type Snapshot, type S3StorageOptions, type Verification } from '../../src/index.ts'
import { query } from '../helpers/bank.ts'
import { integrityOf, makeDatabase, makeLargeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { noRealS3, realS3 } from '../helpers/real-s3.ts'
import { unlessLarge } from '../helpers/requirements.ts'
import { sha256OfFile } from '../helpers/round-trip.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import { keysOf } from '../storage/conformance/helpers.ts'

const GIGABYTE = 1e9
/** What is under way, and what Node has not yet freed beside other work: of the size of the database it is independent. */
const MOST_GROWTH = 250e6
const skip = unlessLarge || noRealS3
const limits = { skip, timeout: 900_000 }
t.setTimeout(1_800_000)

interface Host {
  ask: <T>(operation: string, ...args: string[]) => Promise<T>
  /** Ends it. @returns by how many bytes it has grown at most */
  stop: () => Promise<number>
}

async function startHost (t: Test, options: { database: string, snapshotDir: string, s3: S3StorageOptions, isSecond: boolean }): Promise<Host> {
  const child = fork(fileURLToPath(new URL('../processes/measured-host.ts', import.meta.url)), [JSON.stringify(options)])
  t.teardown(() => { child.kill('SIGKILL') })
  await once(child, 'message')
  let most = 0
  return {
    ask: async <T>(operation: string, ...args: string[]): Promise<T> => {
      child.send([operation, ...args])
      const [{ result, error, growth }] = await once(child, 'message') as [{ result: T, error?: string, growth: number }]
      if (error !== undefined) throw new Error(error)
      most = growth
      return result
    },
    stop: async () => {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
      t.comment(`the host has grown by ${(most / 1e6).toFixed(0)} MB`)
      return most
    }
  }
}

const digestOf = (file: string): unknown => query(file, 'SELECT count(*) || sum(length(data)) || sum(unicode(text)) || max(data) FROM items WHERE id % 7 = 0')

/** Restores to a file and into a live database of other content, and verifies: all of it comes from the bucket. */
async function checkRestores (t: Test, { ask }: Host, database: string, original: { sha256: string, content: unknown }): Promise<void> {
  const file = join(t.testdirName, 'restored.db')
  await ask('restoreToFile', 'large', file)
  t.equal(sha256OfFile(file), original.sha256, 'bit for bit the same')
  rmSync(file)
  await ask('restore', 'large')
  t.equal(digestOf(database), original.content)
  t.equal(integrityOf(database), 'ok')
  t.match(await ask<Verification>('verify', 'large'), { isHealthy: true, errors: [] })
}

async function setUp (t: Test): Promise<{ database: string, snapshotDir: string, s3: S3StorageOptions, original: { sha256: string, content: unknown } }> {
  const s3 = await realS3()
  t.teardown(async () => {
    const storage = new S3Storage(s3)
    await storage.deleteAll(await keysOf(storage, 'app/'))
  })
  const database = join(testFolder(t), 'app.db')
  makeLargeDatabase(database, GIGABYTE, { noise: 0.5 })
  t.ok(statSync(database).size > GIGABYTE)
  return { database, snapshotDir: join(t.testdirName, 'backups'), s3, original: { sha256: sha256OfFile(database), content: digestOf(database) } }
}

function replaceDatabase (database: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(database + suffix, { force: true })
  makeDatabase(database).close()
}

t.test('a database of 1 GB goes through S3 as the only storage', limits, async t => {
  const { original, ...options } = await setUp(t)
  const host = await startHost(t, { ...options, isSecond: false })
  const { checksum, storedSize } = await host.ask<Snapshot>('create', 'large')
  t.equal(checksum, original.sha256)
  t.ok(Number(storedSize) > GIGABYTE / 2, 'and is not small there')
  replaceDatabase(options.database)
  await checkRestores(t, host, options.database, original)
  t.ok(await host.stop() <= MOST_GROWTH)
})

t.test('a database of 1 GB follows to S3, and comes back when the machine is lost', limits, async t => {
  const { original, ...options } = await setUp(t)
  const host = await startHost(t, { ...options, isSecond: true })
  await host.ask('create', 'large')
  await waitUntil('the copy is there', async () => (await host.ask<Snapshot>('get', 'large')).replicas.every(({ state }) => state === 'STORED'))
  t.ok(await host.stop() <= MOST_GROWTH)

  rmSync(options.snapshotDir, { recursive: true })
  replaceDatabase(options.database)
  const blank = await startHost(t, { ...options, isSecond: true })
  await checkRestores(t, blank, options.database, original)
  t.ok(await blank.stop() <= MOST_GROWTH)
})
