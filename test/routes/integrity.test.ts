import Database from 'better-sqlite3'
import { rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { changeSchema, damageDatabase } from '../helpers/damage.ts'
import { startHost } from '../helpers/host.ts'
import { holdLock, withRollbackJournal } from '../helpers/locked.ts'

const FIELDS = ['checkedAt', 'database', 'durationMs', 'errors', 'isHealthy', 'unchecked']

/** Damages an index so that only a full check sees it. */
function damageIndex (path: string): void {
  changeSchema(new Database(path), "UPDATE sqlite_schema SET sql = 'CREATE INDEX items_text ON items (data)' WHERE name = 'items_text'")
}

t.test('POST /snapshots/integrity checks the database, GET gives the last outcome', async t => {
  const { request } = await startHost(t)
  const response = await request('POST', '/snapshots/integrity')
  t.equal(response.statusCode, 200)
  const integrity = response.json()
  t.same(Object.keys(integrity).sort(), FIELDS)
  t.match(integrity, { database: 'app', isHealthy: true, errors: [], unchecked: [], checkedAt: /^\d{4}-.*Z$/ })
  t.ok(Number.isInteger(integrity.durationMs) && integrity.durationMs >= 0)
  const last = await request('GET', '/snapshots/integrity')
  t.equal(last.statusCode, 200)
  t.same(last.json(), integrity)
})

t.test('GET /snapshots/integrity runs the first check where there was none', async t => {
  const { request, app } = await startHost(t)
  t.equal(app.snapshots.recovery.lastIntegrityCheck(), null)
  const first = await request('GET', '/snapshots/integrity')
  t.match(first.json(), { database: 'app', isHealthy: true, errors: [] })
  t.same(Object.keys(first.json()).sort(), FIELDS)
  t.same(app.snapshots.recovery.lastIntegrityCheck(), first.json())
  t.same((await request('GET', '/snapshots/integrity')).json(), first.json(), 'the second time it is the last outcome')
})

t.test('the mode full finds what quick does not look at', async t => {
  const { request, path } = await startHost(t)
  damageIndex(path)
  t.equal((await request('POST', '/snapshots/integrity')).json().isHealthy, true)
  t.equal((await request('POST', '/snapshots/integrity', { mode: 'quick' })).json().isHealthy, true)
  t.match((await request('POST', '/snapshots/integrity', { mode: 'full' })).json(), { isHealthy: false, errors: [/items_text/] })
  t.match((await request('GET', '/snapshots/integrity')).json(), { isHealthy: false })
})

for (const body of [{ mode: 'deep' }, { mode: null }, { mode: 1 }, { full: true }]) {
  t.test(`POST ${JSON.stringify(body)} is 400`, async t => {
    const { request } = await startHost(t)
    t.match((await request('POST', '/snapshots/integrity', body)).json(), { statusCode: 400, code: 'FST_SNAPSHOT_INVALID_REQUEST', error: 'Bad Request' })
  })
}

for (const mode of ['quick', 'full']) {
  t.test(`a damaged database is unhealthy in mode ${mode}, and the log says so`, async t => {
    const { request, path, log } = await startHost(t)
    damageDatabase(path)
    const response = await request('POST', '/snapshots/integrity', { mode })
    t.equal(response.statusCode, 200)
    const { isHealthy, errors } = response.json()
    t.equal(isHealthy, false)
    t.ok(errors.length > 0 && errors.length <= 100)
    t.ok(log.some(({ level, msg }) => level === 50 && msg === 'The database failed its integrity check'))
  })
}

t.test('a missing database is unhealthy', async t => {
  const { request, path } = await startHost(t)
  rmSync(path)
  t.match((await request('GET', '/snapshots/integrity')).json(), { database: 'app', isHealthy: false, errors: [/There is no database/] })
})

t.test('a file that is no database is unhealthy', async t => {
  const { request, path } = await startHost(t)
  writeFileSync(path, 'this is a text and no database, and it is longer than the header of a database would be: '.repeat(3))
  t.match((await request('POST', '/snapshots/integrity')).json(), { isHealthy: false, errors: [/is not a SQLite database/] })
})

t.test('what only the application can judge is listed as unchecked, and is no damage', async t => {
  const { request, path } = await startHost(t)
  const database = new Database(path)
  database.function('mine', { deterministic: true }, value => value)
  database.exec('CREATE INDEX by_mine ON items (mine(text))')
  database.close()
  for (const mode of ['quick', 'full']) {
    const { isHealthy, unchecked } = (await request('POST', '/snapshots/integrity', { mode })).json()
    t.equal(isHealthy, true, mode)
    if (mode === 'full') t.match(unchecked.join(), /mine/)
  }
})

t.test('a locked database was not judged: 503 with Retry-After, and the last outcome stays', async t => {
  const { request, path } = await startHost(t, { lockTimeout: 50 })
  const before = (await request('POST', '/snapshots/integrity')).json()
  withRollbackJournal(path)
  await holdLock(t, path)
  const response = await request('POST', '/snapshots/integrity')
  t.equal(response.statusCode, 503)
  t.match(response.json(), { code: 'FST_SNAPSHOT_DATABASE_LOCKED' })
  t.match(response.headers['retry-after'], /^[1-9]\d*$/)
  t.same((await request('GET', '/snapshots/integrity')).json(), before)
})
