import Database from 'better-sqlite3'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leftovers, stateOf } from '../crash/check.ts'
import type { runEngine } from '../../src/engine/engine.ts'
import { codeOf } from '../../src/errors.ts'
import { LocalStorage, SnapshotWriter } from '../../src/index.ts'
import { snapshotSettings } from '../../src/options.ts'
import { SnapshotContext } from '../../src/snapshots/context.ts'
import { integrityOf, makeDatabase } from '../helpers/databases.ts'
import { fillDisk } from '../helpers/fill-disk.ts'
import { testFolder } from '../helpers/folder.ts'
import { unlessLarge } from '../helpers/requirements.ts'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.ts'

/*
 * A disk that is full from some moment of an operation on, and a storage that fails at any of its calls: the live database has its
 * old or its new content, the error says what it was, nothing is left over, and once there is room everything works.
 */

interface Operation {
  run: (writer: SnapshotWriter, path: string) => Promise<unknown>
  /** What happens to the live database before. */
  harm?: (path: string) => void
}

const operations: Record<string, Operation> = {
  'a creation': { run: async writer => await writer.createSnapshot('new', { labels: { a: 'b' } }) },
  'a restore': { run: async writer => await writer.restoreFromSnapshot('a') },
  'a rollback': { run: async writer => await writer.recovery.rollback() },
  'a reset': { run: async writer => await writer.recovery.emergencyDatabaseReset() },
  'a reset of a file that cannot be opened': { run: async writer => await writer.recovery.emergencyDatabaseReset(), harm: path => { writeFileSync(path, Buffer.concat([Buffer.alloc(100, 7), readFileSync(path).subarray(100)])) } },
  'a restore of a table': { run: async writer => await writer.restoreTables('a', ['items']) },
  'a deletion': { run: async writer => { await writer.deleteSnapshot('b') } },
  'a salvage': { run: async (writer, path) => await writer.recovery.salvage(path) }
}

/** The engines of the built package begin sooner. */
const { runEngine: runBuilt } = await import(new URL('../../dist/engine/engine.js', import.meta.url).href) as { runEngine: typeof runEngine }

/** A deployment in a folder that is put back as it was as often as needed. */
class Deployment {
  readonly folder: string
  readonly path: string
  readonly #kept: string

  constructor (folder: string, kept: string) {
    this.folder = folder
    this.path = join(folder, 'app.db')
    this.#kept = kept
  }

  async make (): Promise<void> {
    mkdirSync(this.folder)
    makeDatabase(this.path, { rows: 3000 }).close()
    await this.using({}, async writer => {
      await writer.createSnapshot('a')
      this.change('DELETE FROM items WHERE id < 100')
      await writer.restoreFromSnapshot('a')
      this.change('DELETE FROM items WHERE id > 500')
      await writer.createSnapshot('b', { full: true })
      this.change('UPDATE items SET data = randomblob(300)')
    })
    cpSync(this.folder, this.#kept, { recursive: true, verbatimSymlinks: true })
  }

  putBack (): void {
    rmSync(this.folder, { recursive: true })
    cpSync(this.#kept, this.folder, { recursive: true, verbatimSymlinks: true })
  }

  change (sql: string): void {
    new Database(this.path).exec(sql).close()
  }

  /** @param beforeTask is called before each engine begins */
  async using<T> ({ storage, beforeTask = () => {} }: { storage?: LocalStorage, beforeTask?: (number: number) => void }, use: (writer: SnapshotWriter) => Promise<T>): Promise<T> {
    const context = new SnapshotContext(snapshotSettings({ database: this.path, probeStorage: false, lockTimeout: 2000, ...storage && { storage } }))
    let tasks = 0
    context.runEngine = async (task, input, options) => {
      beforeTask(tasks++)
      return await runBuilt(task, input, options)
    }
    const writer = new SnapshotWriter(context)
    try {
      return await use(writer)
    } finally {
      await writer.close()
    }
  }
}

interface Judged { name: string, operation: Operation, deployment: Deployment, before: string, after: string, makeRoom?: () => void }

/** Runs an operation that may fail, judges what is there then, and once more without a failure. */
async function judge (t: Test, { name, operation, deployment, before, after, makeRoom = () => {} }: Judged, codes: RegExp, writer: SnapshotWriter): Promise<void> {
  const { folder, path } = deployment
  const error: unknown = await operation.run(writer, path).then(() => null, (error: unknown) => error)
  makeRoom()
  const live = stateOf(path)
  const isApplied = live === after && before !== after // then that is what the error has to say first
  if (error !== null) t.match(String(codeOf(error)), isApplied ? /^FST_SNAPSHOT_RESTORE_FAILED$/ : codes, `${name}: ${String(error)}`)
  if (error !== null && isApplied) t.match(String(error), /the new content is in the database/)
  t.ok(live === before || live === after, `${name}: the live database has its old or its new content, after ${String(error)}`)
  if (live.startsWith('{')) t.equal(integrityOf(path), 'ok')
  if (error === null) t.equal(live, after)
  t.same(await remains(folder, writer, error === null), [], `${name}: nothing is left over after ${String(error)}`)
  if (error === null) return
  t.same(await operation.run(writer, path).then(() => null, (error: unknown) => String(error)), null, `${name}: once it can, it succeeds (after ${String(error)})`)
  t.equal(stateOf(path), after)
  t.same(await remains(folder, writer, true), [])
}

/** What could not be removed when it was to be is removed by the next operation. */
async function remains (folder: string, writer: SnapshotWriter, isDone: boolean): Promise<string[]> {
  await writer.settle()
  const { snapshots } = await writer.listSnapshots({ limit: 1000 })
  return leftovers(folder, snapshots.map(({ id }) => id)).filter(file => !isDone || !/recovery\/salvaged_\w+\.db /.test(file))
}

/** What an undisturbed run gives, and how many engines it takes. */
async function undisturbed (deployment: Deployment, operation: Operation): Promise<{ before: string, after: string, tasks: number }> {
  let tasks = 0
  deployment.putBack()
  operation.harm?.(deployment.path)
  const before = stateOf(deployment.path)
  await deployment.using({ beforeTask: () => { tasks++ } }, async writer => await operation.run(writer, deployment.path))
  return { before, after: stateOf(deployment.path), tasks }
}

t.test('a disk that is full from some engine of an operation on', { skip: noSmallDisk }, async t => {
  const disk = mountSmallDisk(t, 24)
  const deployment = new Deployment(join(disk, 'host'), join(testFolder(t), 'kept'))
  await deployment.make()
  for (const [name, operation] of Object.entries(operations)) {
    await t.test(name, async t => {
      const { tasks, ...states } = await undisturbed(deployment, operation)
      for (let full = 0; full <= tasks; full++) {
        for (const free of unlessLarge === false ? [0, 800_000] : [full % 2 * 800_000]) {
          deployment.putBack()
          operation.harm?.(deployment.path)
          let makeRoom = (): void => {}
          const fill = (): void => { makeRoom = fillDisk(disk, free) }
          await deployment.using({ beforeTask: number => { if (number === full - 1) fill() } }, async writer => {
            if (full === 0) fill() // before anything is begun
            await judge(t, { name: `with ${free} bytes left at engine ${full}`, operation, deployment, ...states, makeRoom: () => { makeRoom() } }, /^FST_SNAPSHOT_NO_ROOM$/, writer)
          })
        }
      }
    })
  }
})

/** Fails at one of its calls. */
class FailingStorage extends LocalStorage {
  calls = 0
  readonly #failing: number

  constructor (root: string, failing: number) {
    super(root)
    this.#failing = failing
  }

  #call (): void {
    if (this.calls++ === this.#failing) throw Object.assign(new Error('input/output error'), { code: 'FST_SNAPSHOT_STORAGE_FAILED' })
  }

  override async put (...args: Parameters<LocalStorage['put']>): ReturnType<LocalStorage['put']> {
    this.#call()
    return await super.put(...args)
  }

  override async putFile (...args: Parameters<LocalStorage['putFile']>): ReturnType<LocalStorage['putFile']> {
    this.#call()
    return await super.putFile(...args)
  }

  override async get (...args: Parameters<LocalStorage['get']>): ReturnType<LocalStorage['get']> {
    this.#call()
    return await super.get(...args)
  }

  override async head (...args: Parameters<LocalStorage['head']>): ReturnType<LocalStorage['head']> {
    this.#call()
    return await super.head(...args)
  }

  override async * list (...args: Parameters<LocalStorage['list']>): ReturnType<LocalStorage['list']> {
    this.#call()
    yield * super.list(...args)
  }

  override async delete (...args: Parameters<LocalStorage['delete']>): ReturnType<LocalStorage['delete']> {
    this.#call()
    await super.delete(...args)
  }
}

t.test('a storage that fails at one of its calls', async t => {
  const deployment = new Deployment(join(testFolder(t), 'host'), join(t.testdirName, 'kept'))
  await deployment.make()
  for (const [name, operation] of Object.entries(operations)) {
    await t.test(name, async t => {
      const { before, after } = await undisturbed(deployment, operation)
      for (let failing = 0, isReached = true; isReached; failing++) {
        deployment.putBack()
        operation.harm?.(deployment.path)
        const storage = new FailingStorage(join(deployment.folder, 'backups'), failing)
        await deployment.using({ storage }, async writer => {
          await judge(t, { name: `call ${failing}`, operation, deployment, before, after }, /^FST_SNAPSHOT_(STORAGE_FAILED|CREATE_FAILED|RESTORE_FAILED)$/, writer)
        })
        isReached = storage.calls > failing
      }
    })
  }
})
