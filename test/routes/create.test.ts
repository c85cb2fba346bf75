import Database from 'better-sqlite3'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { LockFile } from '../../src/lock-file.ts'
import { customHost } from '../helpers/custom-host.ts'
import { damageDatabase } from '../helpers/damage.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { startHost } from '../helpers/host.ts'
import { holdLock, withRollbackJournal } from '../helpers/locked.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const FIELDS = ['id', 'name', 'database', 'status', 'trigger', 'createdAt', 'completedAt', 'lastRestoredAt', 'size', 'storedSize', 'checksum', 'checksumAlgorithm', 'integrity', 'pageSize',
  'pageCount', 'durationMs', 'pinned', 'labels', 'parentId', 'encrypted', 'verifiedAt', 'source', 'replicas', 'error']
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

t.test('POST /snapshots without a body creates a snapshot with a name made of the time', async t => {
  const { request } = await startHost(t)
  const response = await request('POST', '/snapshots')
  t.equal(response.statusCode, 201)
  t.match(response.json().name, /^app-\d{8}T\d{6}Z$/)
  t.equal(response.headers.location, `/snapshots/${response.json().name}`)
})

t.test('two snapshots without a name within one second have different names', async t => {
  const { request } = await startHost(t)
  const [one, two] = await Promise.all([request('POST', '/snapshots'), request('POST', '/snapshots')])
  t.same([one.statusCode, two.statusCode], [201, 201])
  t.not(one.json().name, two.json().name)
})

t.test('POST /snapshots answers 201 with every field of the snapshot and its location', async t => {
  const { request, path } = await startHost(t)
  const response = await request('POST', '/snapshots', { name: 'pre_deployment_2024_01_15', labels: { reason: 'release 1.2', by: 'ops' }, full: true })
  t.equal(response.statusCode, 201)
  t.match(response.headers['content-type'], /^application\/json/)
  const snapshot = response.json()
  t.same(Object.keys(snapshot).sort(), [...FIELDS].sort())
  t.match(snapshot, {
    id: UUID,
    name: 'pre_deployment_2024_01_15',
    database: 'app',
    status: 'COMPLETED',
    trigger: 'manual',
    createdAt: TIME,
    completedAt: TIME,
    lastRestoredAt: null,
    checksum: /^[0-9a-f]{64}$/,
    checksumAlgorithm: 'sha256',
    integrity: 'ok',
    pageSize: 4096,
    pinned: false,
    labels: { reason: 'release 1.2', by: 'ops' },
    parentId: null,
    encrypted: false,
    verifiedAt: null,
    source: UUID,
    replicas: [{ storage: 'local', state: 'STORED' }],
    error: null
  })
  const database = new Database(path)
  t.equal(snapshot.pageCount, database.pragma('page_count', { simple: true }))
  database.close()
  t.equal(snapshot.size, snapshot.pageCount * snapshot.pageSize)
  t.ok(snapshot.storedSize > 0 && snapshot.storedSize < snapshot.size, 'what is stored is compressed')
  t.ok(Number.isInteger(snapshot.durationMs) && snapshot.durationMs > 0)
  t.ok(snapshot.createdAt <= snapshot.completedAt)
  const location = await request('GET', String(response.headers.location))
  t.same(location.json(), snapshot, 'the location has the snapshot')
})

t.test('with Prefer: respond-async the answer is 202 and the snapshot completes afterwards', async t => {
  const { request } = await startHost(t)
  for (const [name, prefer] of [['one', 'respond-async'], ['two', 'wait=1, Respond-Async']] as const) {
    const response = await request('POST', '/snapshots?', { name, labels: { a: 'b' } }, { prefer })
    t.equal(response.statusCode, 202)
    t.equal(response.headers['preference-applied'], 'respond-async')
    t.match(response.json(), { id: UUID, type: 'create', status: 'RUNNING', startedAt: TIME, snapshot: { name, status: 'CREATING', labels: { a: 'b' }, size: null, error: null } })
    t.equal(response.headers.location, `/snapshots/${response.json().snapshot.id}`)
    const ended = await waitUntil('it ended', async () => {
      const snapshot = (await request('GET', String(response.headers.location))).json()
      return snapshot.status !== 'CREATING' && snapshot
    })
    t.match(ended, { name, status: 'COMPLETED', error: null })
  }
})

t.test('another preference than respond-async changes nothing', async t => {
  const { request } = await startHost(t)
  t.equal((await request('POST', '/snapshots', {}, { prefer: 'return=minimal' })).statusCode, 201)
})

t.test('with Prefer: respond-async what is known at once is answered at once', async t => {
  const { request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'taken' })
  const response = await request('POST', '/snapshots', { name: 'taken' }, { prefer: 'respond-async' })
  t.equal(response.statusCode, 409)
  t.equal(response.json().code, 'FST_SNAPSHOT_NAME_TAKEN')
})

t.test('with Prefer: respond-async a failure is found in the snapshot', async t => {
  const { request, path, log } = await startHost(t)
  rmSync(path)
  const response = await request('POST', '/snapshots', { name: 'doomed' }, { prefer: 'respond-async' })
  t.equal(response.statusCode, 202)
  const snapshot = await waitUntil('it failed', async () => {
    const found = (await request('GET', '/snapshots/doomed')).json()
    return found.status === 'FAILED' && found
  })
  t.match(snapshot, { status: 'FAILED', error: { code: 'FST_SNAPSHOT_DATABASE_MISSING', message: /There is no database/ }, replicas: [], size: null, completedAt: TIME })
  t.ok(log.some(({ msg }) => msg.startsWith('Failed to create snapshot')))
})

t.test('a creation without a database fails with 500 and is listed as FAILED', async t => {
  const { request, path, log } = await startHost(t)
  rmSync(path)
  const response = await request('POST', '/snapshots', { name: 'doomed' })
  t.equal(response.statusCode, 500)
  t.match(response.json(), { statusCode: 500, code: 'FST_SNAPSHOT_DATABASE_MISSING', error: 'Internal Server Error', message: new RegExp(path) })
  t.match((await request('GET', '/snapshots')).json().snapshots, [{ name: 'doomed', status: 'FAILED', error: { code: 'FST_SNAPSHOT_DATABASE_MISSING' } }])
  t.match(log.find(({ msg }) => msg.startsWith('Failed to create snapshot: There is no database')), { err: { message: /There is no database/ } }, 'the log has it with its cause')
})

t.test('a creation that fails for a reason of the storage says "Failed to create snapshot" and why', async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const failing = { name: 'broken', async put () { throw new Error('no such bucket') }, async get () { throw new Error('no') }, async head () { return null }, async * list () {}, async delete () {}, async removePartialWrites () {} }
  const { request, log } = await customHost(t, path, { plugin: { storage: failing as never } })
  const response = await request('POST', '/snapshots', { name: 'doomed' })
  t.equal(response.statusCode, 500)
  t.match(response.json(), { code: 'FST_SNAPSHOT_CREATE_FAILED', message: 'Failed to create snapshot: no such bucket' })
  t.match(log.find(({ msg }) => msg === 'Failed to create snapshot: no such bucket'), { err: { message: 'no such bucket' } })
})

t.test('a locked database is 503 with Retry-After, and works once the lock is gone', async t => {
  const { request, path } = await startHost(t, { lockTimeout: 50 })
  withRollbackJournal(path)
  const release = await holdLock(t, path)
  const response = await request('POST', '/snapshots', { name: 'first' })
  t.equal(response.statusCode, 503)
  t.match(response.json(), { statusCode: 503, code: 'FST_SNAPSHOT_DATABASE_LOCKED', error: 'Service Unavailable', message: /stayed locked for 50 ms/ })
  t.match(response.headers['retry-after'], /^[1-9]\d*$/)
  await release()
  t.equal((await request('POST', '/snapshots', { name: 'first' })).statusCode, 201)
})

t.test('an operation beyond those that may wait is refused with 503 and Retry-After', async t => {
  const { app, request, folder } = await startHost(t)
  await app.snapshots.settle()
  const otherProcess = LockFile.takeBlocking(join(folder, 'backups', '.locks', 'app.lock'), 0)
  const underWay = app.snapshots.settle()
  await nextTurn()
  const waiting = [underWay, ...Array.from({ length: 32 }, async () => { await app.snapshots.settle() })]
  const response = await request('POST', '/snapshots')
  otherProcess?.release()
  t.match(response.json(), { statusCode: 503, code: 'FST_SNAPSHOT_QUEUE_FULL' })
  t.match(response.headers['retry-after'], /^[1-9]\d*$/)
  await Promise.all(waiting)
  t.equal((await request('POST', '/snapshots')).statusCode, 201)
})

t.test('a snapshot of a damaged database fails, and with allowDamaged is kept as evidence that is never latest', async t => {
  const { request, path, app } = await startHost(t)
  await request('POST', '/snapshots', { name: 'sound' })
  damageDatabase(path)
  const response = await request('POST', '/snapshots', { name: 'damaged' })
  t.equal(response.statusCode, 500)
  t.equal(response.json().code, 'FST_SNAPSHOT_DATABASE_DAMAGED')
  await app.snapshots.createSnapshot('evidence', { allowDamaged: true })
  t.match((await request('GET', '/snapshots/evidence')).json(), { status: 'COMPLETED', integrity: 'failed' })
  t.equal((await request('GET', '/snapshots/latest')).json().name, 'sound')
  t.match((await request('POST', '/snapshots/evidence/restore')).json(), { statusCode: 409, code: 'FST_SNAPSHOT_NOT_RESTORABLE' })
})

t.test('a snapshot leaves nothing behind but itself', async t => {
  const { request, folder } = await startHost(t)
  await request('POST', '/snapshots')
  t.notOk(existsSync(join(folder, 'app.db-journal')))
  t.same(readdirSync(join(folder, 'backups', '.tmp', 'app')), [])
})
