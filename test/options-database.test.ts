import { resolve } from 'node:path'
import t from 'tap'
import { databasePath } from '../src/options-database.ts'
import { snapshotSettings } from '../src/options.ts'
import { setEnvironment } from './helpers/environment.ts'

const paths: Record<string, string> = {
  'app.db': resolve('app.db'),
  './prisma/dev.db': resolve('prisma/dev.db'),
  '/data/app.db': '/data/app.db',
  '/data/../other/app.db': '/other/app.db',
  '/data/what?#100%.db': '/data/what?#100%.db',
  '/data/with space.db': '/data/with space.db',
  'file:./prisma/dev.db': resolve('prisma/dev.db'),
  'file:./prisma/dev.db?connection_limit=1': resolve('prisma/dev.db'),
  'file:dev.db?mode=rw&cache=private#part': resolve('dev.db'),
  'file:../dev.db#part?x': resolve('../dev.db'),
  'file:/data/app.db': '/data/app.db',
  'file:///data/app.db': '/data/app.db',
  'file://localhost/data/app.db': '/data/app.db',
  'FILE:///data/app.db': '/data/app.db',
  'file:///data/with%20space%3F%23%25.db': '/data/with space?#%.db',
  'file:///data/%C3%A4.db': '/data/ä.db',
  'file:/localhost/app.db': '/localhost/app.db',
  './postgres:app.db': resolve('postgres:app.db')
}
for (const [url, path] of Object.entries(paths)) {
  t.test(`DATABASE_URL ${url} is ${path}`, async t => { t.equal(databasePath(url), path) })
}

const noPaths: Record<string, string> = {
  'postgresql://user:secret@host/db': 'postgresql: is not a SQLite database file',
  'mysql://host/db': 'mysql: is not',
  'libsql://host': 'libsql: is not',
  'https://example.com/app.db': 'https: is not',
  ':memory:': 'a database in memory cannot be saved',
  'file::memory:?cache=shared': 'a database in memory cannot be saved',
  '': 'the path is empty',
  'file:': 'the path is empty',
  'file:?mode=rw': 'the path is empty',
  '/data/app\0.db': 'the path is empty or not one',
  'file:/data/app%00.db': 'the path is empty or not one',
  'file:/data/100%.db': 'has a wrong %-escape',
  'file:/data/%ff.db': 'has a wrong %-escape',
  '/data/app.db ': 'ends in white space',
  '/data/app.db\n': 'ends in white space',
  'file:/data/app.db%20': 'ends in white space',
  'file:/data/app.db ?mode=rw': 'ends in white space',
  'file://other-host/data/app.db': 'names a host',
  '"file:./dev.db"': 'stands in quotes',
  'file:dev.db?mode=memory': 'a database in memory'
}
for (const [url, message] of Object.entries(noPaths)) {
  t.test(`DATABASE_URL ${JSON.stringify(url)} is refused`, async t => {
    t.throws(() => databasePath(url), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: new RegExp(`^Invalid option: "database" \\(DATABASE_URL\\): .*${message}`) })
  })
}

t.test('the error of a wrong DATABASE_URL does not give away its password', async t => {
  try {
    databasePath('postgresql://user:secret@host/db')
  } catch (error) {
    t.notMatch(String((error as Error).message), 'secret')
  }
})

const slugs: Record<string, string> = {
  'app.db': 'app',
  'My App.db': 'my-app',
  'My  (old) App!.sqlite3': 'my-old-app',
  'app.v2.db': 'app-v2',
  under_score: 'under_score',
  '.db': 'db',
  'データ.db': 'database',
  '---.db': 'database',
  [`${'long'.repeat(30)}.db`]: 'long'.repeat(16)
}
for (const [file, name] of Object.entries(slugs)) {
  t.test(`a database in the file ${file} is named ${name}`, async t => {
    setEnvironment(t)
    t.equal(snapshotSettings({ database: `/data/${file}` }).databaseName, name)
  })
}
