import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import type { DatabaseIntegrity, SnapshotWriter } from '../../src/index.ts'
import { codeOf } from '../../src/errors.ts'
import { builtWriterFor } from '../helpers/built.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { openApplication } from '../helpers/open-application.ts'

/*
 * Whatever happens to the files of a database: it is called unhealthy, or what SQLite reads is right; no snapshot has damaged
 * content and says it is sound; and a reset brings the database back, for an application that is running, too.
 */

const PAGE = 4096
const DEADLINE_MS = 60_000
const SUFFIXES = ['', '-wal', '-journal']

/** What happens to the bytes of the file; the rest is done to its files. */
const damages: Record<string, (bytes: Buffer, path: string) => Buffer> = {
  'a zeroed page of a table': bytes => bytes.fill(0, at(bytes, 0x0d), at(bytes, 0x0d) + PAGE),
  'a zeroed page of an index': bytes => bytes.fill(0, at(bytes, 0x0a), at(bytes, 0x0a) + PAGE),
  'a zeroed first page': bytes => bytes.fill(0, 0, PAGE),
  'a schema of noise': bytes => noise(bytes, 100, PAGE),
  'a page of noise': bytes => noise(bytes, at(bytes, 0x0d, 2), at(bytes, 0x0d, 2) + PAGE),
  'noise from the middle on': bytes => noise(bytes, Math.floor(bytes.length / PAGE / 2) * PAGE, bytes.length),
  'swapped pages of a table': bytes => swap(bytes, at(bytes, 0x0d, 1), at(bytes, 0x0d, 3)),
  'swapped pages of an index': bytes => swap(bytes, at(bytes, 0x0a, 1), at(bytes, 0x0a, 3)),
  'swapped pages of a table and an index': bytes => swap(bytes, at(bytes, 0x0a, 1), at(bytes, 0x0d, 1)),
  'a file cut to nothing': () => Buffer.alloc(0),
  'a file cut in its header': bytes => bytes.subarray(0, 50),
  'a file cut in its first page': bytes => bytes.subarray(0, 1000),
  'a file cut in a page': bytes => bytes.subarray(0, 5 * PAGE + 100),
  'a file cut to half of its pages': bytes => bytes.subarray(0, Math.floor(bytes.length / PAGE / 2) * PAGE),
  'another magic': bytes => put(bytes, 0, 'SQLite format 4'),
  'another page size': bytes => put(bytes, 16, Buffer.from([0x20, 0])),
  'an impossible page size': bytes => put(bytes, 16, Buffer.from([0x0f, 0xff])),
  'other versions': bytes => put(bytes, 18, Buffer.from([9, 9])),
  'a version for readers only': bytes => put(bytes, 18, Buffer.from([3])),
  'another encoding': bytes => put(bytes, 56, Buffer.from([0, 0, 0, 2])),
  'a page count beyond the file': bytes => put(bytes, 28, Buffer.from([0, 1, 0, 0])),
  'a page count that is too small': bytes => put(bytes, 28, Buffer.from([0, 0, 0, 2])),
  'a free list of nonsense': bytes => put(bytes, 32, Buffer.from([0, 0, 0, 3, 0, 0, 0, 9])),
  'a lost log': (bytes, path) => {
    rmSync(`${path}-wal`, { force: true })
    return bytes
  },
  'the log of another database': (bytes, path) => {
    writeFileSync(`${path}-wal`, readFileSync(`${path}.foreign-wal`))
    return bytes
  }
}

/** Those after which SQLite may rightly find nothing wrong, though something is lost: it has no way to know of that. */
const MAY_BE_OLDER = ['a file cut to nothing', 'a lost log']

for (const journalMode of ['wal', 'delete'] as const) {
  for (const isOpen of [false, true]) {
    t.test(`in ${journalMode} mode, ${isOpen ? 'with the application running' : 'with nobody using it'}`, async whole => {
      const folder = testFolder(whole)
      const path = join(folder, 'app.db')
      makeDatabase(path, { journalMode, rows: 3000 }).close()
      makeForeignLog(`${path}.foreign`)
      let application = await openApplication(whole, path)
      let replacements = 0
      const writer = builtWriterFor(whole, path, {
        lockTimeout: 3000,
        onBeforeReplace: async () => {
          replacements++
          if (isOpen) await application.ask('close').catch(() => {})
        },
        onAfterReplace: async () => { if (isOpen) await application.ask('open') }
      })
      await application.ask('read')
      await writer.createSnapshot('sound')
      const sound = await contentIn(writer, 'sound', path)
      const read = await application.ask('read')
      for (const [what, harm] of Object.entries(damages)) {
        await whole.test(what, async t => {
          await application.ask('commit') // in WAL mode it is in the log only
          if (!isOpen) await application.kill()
          const right = readElsewhere(path)
          writeDamaged(path, harm)
          await judge(t, { path, writer, what, right, sound })
          if (!isOpen) application = await openApplication(whole, path)
          t.same(await application.ask('read'), read, 'the application reads the content of the snapshot')
        })
      }
      whole.ok(replacements > 0, 'some of the files were replaced')
    })
  }
}

interface Case { path: string, writer: SnapshotWriter, what: string, right: Record<string, string>, sound: Record<string, string> }

async function judge (t: Test, { path, writer, what, right, sound }: Case): Promise<void> {
  const integrity = await inTime(writer.recovery.validateDatabaseIntegrity({ mode: 'full' }))
  t.equal(integrity.isHealthy, integrity.errors.length === 0)
  if (integrity.isHealthy && !MAY_BE_OLDER.includes(what)) t.same(readElsewhere(path), right, 'where it is called healthy, its content is right')
  await judgeCreation(t, { path, writer, what, right }, integrity)

  const before = filesOf(path)
  const { quarantine, snapshot, integrity: after } = await inTime(writer.recovery.emergencyDatabaseReset())
  t.match({ snapshot, after }, { snapshot: 'sound', after: { isHealthy: true } })
  t.same(filesOf(join(String(quarantine), 'app.db')), before, 'the damaged files are kept as they were')
  t.same(readElsewhere(path), sound)
  t.same(readdirSync(join(path, '..')).filter(name => /fresh|old|intent|partial/.test(name)), [], 'nothing is left over')
}

/** It fails, or what it stored is right. */
async function judgeCreation (t: Test, { path, writer, what, right }: Omit<Case, 'sound'>, integrity: DatabaseIntegrity): Promise<void> {
  try {
    const { name } = await inTime(writer.createSnapshot())
    if (!MAY_BE_OLDER.includes(what)) t.same(await contentIn(writer, name, path), right, 'what a snapshot holds that was completed is right')
    await writer.deleteSnapshot(name)
    t.comment(`a snapshot was made of a database with ${what}, called ${integrity.isHealthy ? 'healthy' : String(integrity.errors[0])}`)
  } catch (error) {
    t.match(codeOf(error), /^FST_SNAPSHOT_(DATABASE_DAMAGED|NOT_A_DATABASE)$/, String(error))
  }
}

/** In a copy: this process must not open what others use. */
function readElsewhere (path: string): Record<string, string> {
  const copy = `${path}.copy`
  for (const suffix of [...SUFFIXES, '-shm']) rmSync(copy + suffix, { force: true })
  for (const suffix of SUFFIXES) if (existsSync(path + suffix)) writeFileSync(copy + suffix, readFileSync(path + suffix))
  return contentOf(copy)
}

async function contentIn (writer: SnapshotWriter, name: string, path: string): Promise<Record<string, string>> {
  const file = `${path}.restored`
  for (const suffix of [...SUFFIXES, '-shm']) rmSync(file + suffix, { force: true })
  await inTime(writer.restoreToFile(name, file))
  return contentOf(file)
}

function filesOf (path: string): Record<string, string> {
  return Object.fromEntries(SUFFIXES.filter(suffix => existsSync(path + suffix)).map(suffix => [suffix, readFileSync(path + suffix).toString('latin1')]))
}

function writeDamaged (path: string, harm: (bytes: Buffer, path: string) => Buffer): void {
  writeFileSync(path, harm(readFileSync(path), path))
}

function makeForeignLog (path: string): void {
  makeDatabase(path, { rows: 500 }).close()
  const database = new Database(path)
  database.pragma('wal_autocheckpoint = 0')
  database.exec('UPDATE items SET text = hex(randomblob(40)) WHERE id < 20')
  const log = readFileSync(`${path}-wal`)
  database.close()
  writeFileSync(`${path}-wal`, log)
}

async function inTime<T> (promise: Promise<T>): Promise<T> {
  const late = new AbortController()
  try {
    return await Promise.race([promise, sleep(DEADLINE_MS, null, { signal: late.signal }).then(() => { throw new Error(`it takes longer than ${DEADLINE_MS} ms`) })])
  } finally {
    late.abort()
  }
}

/** Where a page of a kind begins, by the first byte of it; the number counts those of the kind. */
function at (bytes: Buffer, kind: number, number = 1): number {
  for (let offset = PAGE; offset < bytes.length; offset += PAGE) if (bytes[offset] === kind && number-- === 0) return offset
  throw new Error(`there are not so many pages of kind ${kind}`)
}

function noise (bytes: Buffer, from: number, to: number): Buffer {
  for (let offset = from; offset < to; offset++) bytes[offset] = offset * 31 % 251
  return bytes
}

function swap (bytes: Buffer, one: number, other: number): Buffer {
  const page = Buffer.from(bytes.subarray(one, one + PAGE))
  bytes.copy(bytes, one, other, other + PAGE)
  page.copy(bytes, other)
  return bytes
}

function put (bytes: Buffer, offset: number, value: Buffer | string): Buffer {
  bytes.set(Buffer.from(value), offset)
  return bytes
}
