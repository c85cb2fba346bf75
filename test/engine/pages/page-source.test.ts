import Database from 'better-sqlite3'
import fc from 'fast-check'
import { copyFileSync, existsSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { pinPages, readDirectly, type PageSource } from '../../../src/engine/pages/page-source.ts'
import { NotDirectlyReadable } from '../../../src/engine/pages/wal-index.ts'
import { makeDatabase, type DatabaseOptions, type JournalMode } from '../../helpers/databases.ts'
import { makeBank } from '../../helpers/bank.ts'
import { testFolder } from '../../helpers/folder.ts'
import { BackgroundScript } from '../../helpers/run-script.ts'

/** Whole images, block by block, with something in between. */
async function readAll ({ pageSize, pageCount, read }: PageSource, between = (): unknown => null): Promise<Buffer> {
  const image = Buffer.alloc(pageSize * pageCount, 0xAA)
  const step = Math.max(pageSize, 16 * 4096)
  for (let at = 0; at < image.length; at += step) {
    read(image.subarray(at, Math.min(at + step, image.length)), at)
    await between()
  }
  return image
}

function connect (t: Test, path: string): Database.Database {
  const database = new Database(path, { timeout: 5000 })
  t.teardown(() => { database.close() })
  return database
}

t.test('the pages that are read directly are those that SQLite sees in the same transaction, whatever had happened', async t => {
  let number = 0
  const step = fc.oneof(
    fc.record({ do: fc.constant('insert' as const), bytes: fc.integer({ min: 0, max: 20_000 }) }),
    fc.record({ do: fc.constant('update' as const), id: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ do: fc.constant('delete' as const), id: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ do: fc.constant('checkpoint' as const), mode: fc.constantFrom('PASSIVE', 'FULL', 'RESTART', 'TRUNCATE') }),
    fc.record({ do: fc.constantFrom('vacuum', 'roll back', 'reopen', 'spill' as const) })
  )
  type Step = { do: string, bytes?: number, id?: number, mode?: string }
  const run = (database: Database.Database, { do: what, bytes, id, mode }: Step): void => {
    if (what === 'insert') database.prepare('INSERT INTO items (data) VALUES (zeroblob(?))').run(bytes)
    else if (what === 'update') database.prepare('UPDATE items SET text = text || hex(randomblob(50)) WHERE id = ?').run(id)
    else if (what === 'delete') database.prepare('DELETE FROM items WHERE id = ?').run(id)
    else if (what === 'checkpoint') database.pragma(`wal_checkpoint(${String(mode)})`)
    else if (what === 'vacuum') database.exec('VACUUM')
    else if (what === 'roll back') database.exec('BEGIN; UPDATE items SET data = randomblob(9000); ROLLBACK')
    else if (what === 'spill') database.exec('PRAGMA cache_size = 5; BEGIN; UPDATE items SET data = randomblob(9000); ROLLBACK') // frames that are in the log and not committed
  }
  const folder = testFolder(t)
  const databases = fc.record({
    pageSize: fc.constantFrom(512, 1024, 4096, 65536),
    journalMode: fc.constantFrom<JournalMode>('wal', 'wal', 'wal', 'delete', 'truncate', 'persist'),
    autoVacuum: fc.constantFrom<NonNullable<DatabaseOptions['autoVacuum']>>('none', 'full')
  })
  await fc.assert(fc.asyncProperty(databases, fc.array(step, { maxLength: 12 }), fc.array(step, { maxLength: 12 }), async (options, before, during) => {
    const path = join(folder, `${number++}.db`)
    let application = makeDatabase(path, options)
    application.pragma('busy_timeout = 0')
    try {
      for (const action of before) {
        if (action.do === 'reopen') {
          application.close()
          application = new Database(path, { timeout: 0 })
        } else run(application, action)
      }
      const reader = new Database(path)
      try {
        const pages = pinPages(reader)
        const rest = [...during]
        const image = await readAll(pages, () => {
          for (const action of rest.splice(0, 2)) {
            try { run(application, action) } catch (error) { if (!/^SQLITE_(BUSY|LOCKED)/.test((error as { code: string }).code)) throw error }
          }
        })
        return image.equals(reader.serialize())
      } finally {
        reader.close()
      }
    } finally {
      application.close()
    }
  }), { numRuns: 100 })
})

t.test('they are the same while other processes write, checkpoint in every mode, open and close the database, and are killed', async t => {
  const path = join(testFolder(t), 'app.db')
  makeBank(path, { rows: 500 })
  const other = await BackgroundScript.start(t, 'disturb-forever', path)
  let victim = await BackgroundScript.start(t, 'disturb-forever', path)
  let equal = 0
  for (let number = 0; number < 100; number++) {
    if (number % 12 === 11) {
      victim.child.kill('SIGKILL')
      victim = await BackgroundScript.start(t, 'disturb-forever', path)
    }
    const reader = new Database(path, { timeout: 5000 })
    const image = await readAll(pinPages(reader), async () => { if (number % 4 === 0) await sleep(1) })
    if (image.equals(reader.serialize())) equal++
    reader.close()
  }
  for (const process of [other, victim]) await process.stop()
  t.equal(equal, 100)
})

t.test('a log that begins anew while a reader takes nothing from it does no harm', async t => {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path)
  t.teardown(() => { application.close() })
  application.pragma('wal_checkpoint(PASSIVE)')
  const reader = connect(t, path)
  const pages = pinPages(reader)
  application.exec("UPDATE items SET text = 'over the old frames'")
  t.ok((await readAll(pages)).equals(reader.serialize()))
})

t.test('what is checkpointed after the transaction was pinned counts for nothing: of a page that was changed again the file gets nothing', async t => {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path)
  t.teardown(() => { application.close() })
  const reader = connect(t, path)
  const { pragma } = reader
  t.intercept(reader, 'pragma', {
    value: (source: string, options: Database.PragmaOptions) => {
      if (source === 'page_size') { // the first thing after the pin
        application.exec("UPDATE items SET text = 'later'")
        application.pragma('wal_checkpoint(PASSIVE)')
      }
      return pragma.call(reader, source, options)
    }
  })
  t.ok((await readAll(pinPages(reader))).equals(reader.serialize()))
})

t.test('a database that is replaced at the same moment is left to SQLite', async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  copyFileSync(path, `${path}.new`)
  const reader = connect(t, path)
  const { exec } = reader
  t.intercept(reader, 'exec', {
    value: (sql: string) => {
      if (existsSync(`${path}.new`)) renameSync(`${path}.new`, path)
      return exec.call(reader, sql)
    }
  })
  t.throws(() => pinPages(reader), { message: 'another file is taking its place' })
  t.notOk(reader.inTransaction)
})

t.test('what is no matter of reading directly stays an error', async t => {
  const path = join(testFolder(t), 'app.db')
  const reader = connect(t, path)
  rmSync(path)
  await t.rejects(readDirectly(reader, async () => 'read', async () => 'copied'), { code: 'ENOENT' })
})

t.test('on Windows a database is left to SQLite', async t => {
  t.intercept(process, 'platform', { value: 'win32' })
  t.throws(() => pinPages(connect(t, join(testFolder(t), 'app.db'))), { message: /Windows/ })
})

t.test('a log that is not the one its index describes is left to SQLite', async t => {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path)
  t.teardown(() => { application.close() })
  const log = openSync(`${path}-wal`, 'r+')
  const reader = connect(t, path)
  const pages = pinPages(reader)
  for (let at = 32; at < fstatSync(log).size; at += 24 + 4096) writeSync(log, Buffer.alloc(8), 0, 8, at + 8) // the salts of each frame
  await t.rejects(readAll(pages), { message: /frame \d+ of its write-ahead log is not the one/ })
  reader.exec('COMMIT')
  writeSync(log, Buffer.alloc(8), 0, 8, 16) // and those of the log
  t.throws(() => pinPages(reader), { message: /its write-ahead log is not the one its index describes/ })
})

t.test('an index that never comes to rest is left to SQLite', async t => {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path, { rows: 10 })
  t.teardown(() => { application.close() })
  const reader = connect(t, path)
  const { exec } = reader
  t.intercept(reader, 'exec', {
    value: (sql: string) => {
      if (sql === 'BEGIN') application.exec('UPDATE items SET id = id WHERE id = 1') // a commit before every try
      return exec.call(reader, sql)
    }
  })
  t.throws(() => pinPages(reader), { message: /does not come to rest/ })
})

t.test('where SQLite cannot read it either, the database is damaged; any other failure of SQLite stays what it is', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const failWith = async (code: string): Promise<unknown> => {
    const database = new Database(path)
    t.teardown(() => { database.close() })
    return await readDirectly(database, async () => { throw new NotDirectlyReadable('its log is a riddle') }, async () => { throw Object.assign(new Error(code), { code }) })
  }
  t.match(await failWith('SQLITE_IOERR_SHORT_READ').catch((error: unknown) => error), new NotDirectlyReadable('its log is a riddle, and SQLite cannot read it either: SQLITE_IOERR_SHORT_READ'))
  await t.rejects(failWith('SQLITE_FULL'), { code: 'SQLITE_FULL' })
})
