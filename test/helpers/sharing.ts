import type Database from 'better-sqlite3'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { LocalStorage, type SnapshotOptions, type SnapshotWriter } from '../../src/index.ts'
import { filesIn } from './damage.ts'
import { makeDatabase } from './databases.ts'
import { testFolder } from './folder.ts'
import { writerFor } from './round-trip.ts'

export interface Setup { path: string, backups: string, writer: SnapshotWriter, application: Database.Database }

/** A database in use and a writer for it. */
export function setUp (t: Test, options: SnapshotOptions = {}): Setup {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path, { rows: 3000 })
  t.teardown(() => { application.close() })
  return { path, backups: join(t.testdirName, 'backups'), application, writer: writerFor(t, path, options) }
}

/** Paths of the packs in a storage's folder. */
export const packsIn = (backups: string): string[] => existsSync(join(backups, 'app')) ? filesIn(join(backups, 'app')).filter(file => file.endsWith('data.zst')) : []
/** Changes a page or two. */
export const changeRow = ({ application }: Setup, id: number): void => { application.prepare("UPDATE items SET text = 'changed ' || hex(randomblob(10)) WHERE id = ?").run(id) }

/** A storage that refuses to put certain keys, or to delete any. */
export class FailingStorage extends LocalStorage {
  readonly root: string
  failing = /no key/
  puts: string[] = []

  constructor (root: string) {
    super(root)
    this.root = root
  }

  override async put (...args: Parameters<LocalStorage['put']>): ReturnType<LocalStorage['put']> {
    this.#refuse(this.failing.test(args[0]))
    return await super.put(...args)
  }

  deletes = true
  override async delete (key: string): Promise<void> {
    this.#refuse(!this.deletes)
    await super.delete(key)
  }

  override async putFile (...args: Parameters<LocalStorage['putFile']>): ReturnType<LocalStorage['putFile']> {
    this.#refuse(this.failing.test(args[0]))
    this.puts.push(args[0])
    return await super.putFile(...args)
  }

  #refuse (isFailing: boolean): void {
    if (isFailing) throw Object.assign(new Error('the storage is down'), { code: 'FST_SNAPSHOT_STORAGE_FAILED' })
  }
}

/** The same with a storage that can be made to fail. */
export function setUpFailing<T extends FailingStorage> (t: Test, Storage: new (root: string) => T = FailingStorage as new (root: string) => T): Setup & { storage: T } {
  const storage = new Storage(join(testFolder(t), 'elsewhere'))
  const path = join(t.testdirName, 'app.db')
  const application = makeDatabase(path, { rows: 3000 })
  t.teardown(() => { application.close() })
  return { path, backups: storage.root, storage, application, writer: writerFor(t, path, { storage }) }
}
