import Database from 'better-sqlite3'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { judgeContent } from '../../../src/engine/apply/judge-content.ts'
import { makeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

/** The content from before, the content that was to be applied, and a live database that has one of them. */
function prepare (t: Test, holds: 'image' | 'backup'): { path: string, judge: () => Promise<string> } {
  const folder = testFolder(t)
  const [path, image, backup] = ['app.db', 'image.db', 'backup.db'].map(name => join(folder, name)) as [string, string, string]
  makeDatabase(backup, { rows: 14_000 }).close()
  copyFileSync(backup, image)
  new Database(image).exec("DROP INDEX items_text; UPDATE items SET text = 'restored' WHERE id > 10000").close()
  copyFileSync(join(folder, `${holds}.db`), path)
  return { path, judge: async () => await judgeContent({ target: { path, lockTimeoutMs: 1000 }, image, backup }) }
}

for (const [holds, verdict] of [['backup', 'old'], ['image', 'new']] as const) {
  t.test(`a database that descends from the ${holds} is ${verdict}, whatever the application has done since`, async t => {
    const { path, judge } = prepare(t, holds)
    t.equal(await judge(), verdict)
    const application = new Database(path)
    t.teardown(() => { application.close() })
    application.exec("CREATE TABLE orders (id); INSERT INTO orders VALUES (1); UPDATE items SET text = 'later' WHERE id % 100 = 0; DELETE FROM items WHERE id < 50")
    t.equal(await judge(), verdict)
  })
}

t.test('what is beyond the end of a database that has become smaller does not count, though the file has it still', async t => {
  const folder = testFolder(t)
  const [path, image, backup] = ['app.db', 'image.db', 'backup.db'].map(name => join(folder, name)) as [string, string, string]
  makeDatabase(backup, { rows: 14_000 }).close()
  makeDatabase(image, { rows: 1 }).close()
  copyFileSync(backup, path)
  const reader = new Database(path)
  t.teardown(() => { reader.close() })
  reader.exec('BEGIN; SELECT * FROM items LIMIT 1') // the pages stay in the log
  const source = new Database(image)
  t.teardown(() => { source.close() })
  await source.backup(path)
  t.equal(await judgeContent({ target: { path, lockTimeoutMs: 1000 }, image, backup }), 'new')
})

const REWRITE = "UPDATE items SET text = text || ' of late', data = randomblob(2000)"

t.test('a database that the application has rewritten since is told by its schema and cookie', async t => {
  const { path, judge } = prepare(t, 'image')
  new Database(path).exec(REWRITE).close()
  t.equal(await judge(), 'new')
})

for (const [what, apply, verdict] of [['had been applied', true, 'new'], ['had not been applied', false, 'old']] as const) {
  t.test(`where the schemas are alike as well, the schema cookie tells whether an image ${what}`, async t => {
    const { path, image, backup } = await makeAlike(t, apply)
    new Database(path).exec(REWRITE).close()
    t.equal(await judgeContent({ target: { path, lockTimeoutMs: 1000 }, image, backup }), verdict)
  })

  t.test(`where all was rewritten and the schema changed, it cannot be told whether an image ${what}`, async t => {
    const { path, image, backup } = await makeAlike(t, apply)
    new Database(path).exec(`${REWRITE}; CREATE TABLE orders (id); DROP TABLE orders; VACUUM`).close()
    t.equal(await judgeContent({ target: { path, lockTimeoutMs: 1000 }, image, backup }), 'unknown')
  })
}

/** Two contents of the same schema, and a live database that has one of them, as SQLite's backup leaves it. */
async function makeAlike (t: Test, isApplied: boolean): Promise<{ path: string, image: string, backup: string }> {
  const folder = testFolder(t)
  const [path, image, backup] = ['app.db', 'image.db', 'backup.db'].map(name => join(folder, name)) as [string, string, string]
  makeDatabase(backup, { rows: 2000 }).close()
  copyFileSync(backup, image)
  copyFileSync(backup, path)
  const source = new Database(image)
  source.exec("UPDATE items SET text = 'restored'")
  if (isApplied) await source.backup(path)
  source.close()
  return { path, image, backup }
}

t.test('where both contents are the same nothing was changed', async t => {
  const { path } = prepare(t, 'image')
  t.equal(await judgeContent({ target: { path, lockTimeoutMs: 0 }, image: join(t.testdirName, 'image.db'), backup: join(t.testdirName, 'image.db') }), 'old')
})

t.test('a database that cannot be read directly cannot be told', async t => {
  const { judge } = prepare(t, 'image')
  t.intercept(process, 'platform', { value: 'win32' })
  t.equal(await judge(), 'unknown')
})

t.test('a database that is not there is an error', async t => {
  const folder = testFolder(t)
  await t.rejects(judgeContent({ target: { path: join(folder, 'app.db'), lockTimeoutMs: 0 }, image: '', backup: '' }), { code: 'FST_SNAPSHOT_DATABASE_MISSING' })
})

t.test('a backup that is not there is an error', async t => {
  const { path } = prepare(t, 'image')
  await t.rejects(judgeContent({ target: { path, lockTimeoutMs: 0 }, image: join(t.testdirName, 'image.db'), backup: join(t.testdirName, 'gone.db') }), { code: 'ENOENT' })
})

t.test('an empty backup holds no pages', async t => {
  const { path } = prepare(t, 'image')
  const empty = join(t.testdirName, 'empty.db')
  new Database(empty).close()
  t.equal(await judgeContent({ target: { path, lockTimeoutMs: 0 }, image: join(t.testdirName, 'image.db'), backup: empty }), 'new')
})
