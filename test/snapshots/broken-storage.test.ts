import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalStorage, type SnapshotWriter } from '../../src/index.ts'
import { chunksOf } from '../../src/storage/put-file.ts'
import type { PutOptions } from '../../src/storage/snapshot-storage.ts'
import { makeLargeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { enginesOf, isAlive } from '../helpers/processes.ts'
import { writerFor } from '../helpers/round-trip.ts'

type Put = LocalStorage['put']

/** A writer whose storage does something of its own instead of storing a pack. */
async function prepare (t: Test, put: Put): Promise<{ writer: SnapshotWriter, temporary: string }> {
  const path = join(testFolder(t), 'app.db')
  makeLargeDatabase(path, 3_000_000)
  class BrokenStorage extends LocalStorage {
    override put (...args: Parameters<Put>): ReturnType<Put> {
      return args[0].includes('/packs/') ? put(...args) : super.put(...args)
    }

    override async putFile (key: string, file: string, options?: PutOptions): ReturnType<Put> {
      return await this.put(key, chunksOf(file), options)
    }
  }
  return { writer: writerFor(t, path, { storage: new BrokenStorage(join(t.testdirName, 'backups')) }), temporary: join(t.testdirName, 'backups', '.tmp', 'app') }
}

const puts: Record<string, Put> = {
  'refuses at once': async () => { throw new Error('no such bucket') },
  'throws before it returns a promise': () => { throw new Error('no such bucket') },
  'refuses after the first bytes': async (_key, body) => { await (body as AsyncGenerator<Uint8Array>).next(); throw new Error('no such bucket') },
  'reads nothing and says all is well': async () => ({ bytes: 1 })
}
for (const [what, put] of Object.entries(puts)) {
  t.test(`where a storage ${what} the creation fails, and nothing waits or is left`, async t => {
    const { writer, temporary } = await prepare(t, put)
    for (const name of ['first', 'second']) await t.rejects(writer.createSnapshot(name), { code: 'FST_SNAPSHOT_CREATE_FAILED' })
    t.same(existsSync(temporary) ? readdirSync(temporary) : [], [])
    t.same(enginesOf(process.pid).filter(isAlive), [])
    await writer.close()
  })
}

t.test('where a deleted snapshot cannot be removed from storage, it is removed later', async t => {
  const path = join(testFolder(t), 'app.db')
  makeLargeDatabase(path, 100_000)
  let isDown = false
  class FlakyStorage extends LocalStorage {
    override async delete (key: string): Promise<void> {
      if (isDown) throw new Error('unreachable')
      await super.delete(key)
    }
  }
  const root = join(t.testdirName, 'backups')
  const writer = writerFor(t, path, { storage: new FlakyStorage(root) })
  const { id } = await writer.createSnapshot('unwanted')
  isDown = true
  await writer.deleteSnapshot('unwanted')
  t.same((await writer.listSnapshots()).snapshots, [])
  t.ok(existsSync(join(root, 'app', 'packs', id)))
  isDown = false
  await writer.settle()
  t.notOk(existsSync(join(root, 'app', 'packs', id)))
})

t.test('packs that are files of this machine are read by the engine, without any byte going through the host', async t => {
  const path = join(testFolder(t), 'app.db')
  makeLargeDatabase(path, 3_000_000)
  class UnreadStorage extends LocalStorage {
    override async get (...[key, options]: Parameters<LocalStorage['get']>): ReturnType<LocalStorage['get']> {
      if (key.includes('/packs/')) throw new Error('nobody should read this here')
      return await super.get(key, options)
    }
  }
  const root = join(t.testdirName, 'backups')
  const writer = writerFor(t, path, { storage: new UnreadStorage(root) })
  const { id } = await writer.createSnapshot('first')
  t.match(await writer.restoreFromSnapshot('first'), { status: 'SUCCESS' })

  await t.test('and a disk that cannot be read is a failure of the storage, not damage', async t => {
    rmSync(join(root, 'app', 'packs', id), { recursive: true })
    writeFileSync(join(root, 'app', 'packs', id), 'a file instead of a folder')
    await t.rejects(writer.restoreFromSnapshot('first'), { code: 'FST_SNAPSHOT_RESTORE_FAILED', cause: { code: 'FST_SNAPSHOT_STORAGE_FAILED' } })
    await t.rejects(writer.verifySnapshot('first'), { code: 'FST_SNAPSHOT_STORAGE_FAILED' })
  })
})
