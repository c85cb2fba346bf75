import Database from 'better-sqlite3'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { flipBit } from '../helpers/damage.ts'
import { contentOf } from '../helpers/databases.ts'
import { startHost } from '../helpers/host.ts'
import { holdLock, withRollbackJournal } from '../helpers/locked.ts'
import { packsOf } from '../helpers/packs.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function change (path: string): void {
  const database = new Database(path)
  database.exec('DELETE FROM items')
  database.close()
}

t.test('POST /snapshots/:name/restore brings the content back and says where the content from before is', async t => {
  const { request, path, folder } = await startHost(t)
  const before = contentOf(path)
  await request('POST', '/snapshots', { name: 'good' })
  change(path)
  const changed = contentOf(path)
  const response = await request('POST', '/snapshots/good/restore')
  t.equal(response.statusCode, 200)
  const result = response.json()
  t.match(result, { status: 'SUCCESS', snapshot: { name: 'good', status: 'SUCCESS', lastRestoredAt: /Z$/ }, restoreId: UUID, preRestoreBackup: new RegExp(`^${join(folder, 'recovery')}/pre_restore_`) })
  t.ok(Number.isInteger(result.durationMs) && Number.isInteger(result.lockedMs) && result.lockedMs <= result.durationMs)
  t.same(contentOf(path), before)
  t.same(contentOf(result.preRestoreBackup), changed)
  t.same((await request('GET', '/snapshots/good')).json(), result.snapshot)
})

t.test('where the database file is missing a restore makes it, and there is no backup of before', async t => {
  const { request, path } = await startHost(t)
  const before = contentOf(path)
  await request('POST', '/snapshots', { name: 'good' })
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  const response = await request('POST', '/snapshots/good/restore')
  t.equal(response.statusCode, 200)
  t.equal(response.json().preRestoreBackup, null)
  t.same(contentOf(path), before)
})

t.test('a FAILED snapshot cannot be restored, verified, downloaded or changed: 409', async t => {
  const { request, path } = await startHost(t)
  rmSync(path)
  await request('POST', '/snapshots', { name: 'failed' })
  for (const [method, suffix] of [['POST', '/restore'], ['POST', '/verify'], ['GET', '/download'], ['PATCH', '']] as const) {
    const response = await request(method, `/snapshots/failed${suffix}`)
    t.equal(response.statusCode, 409, method + suffix)
    t.match(response.json(), { statusCode: 409, code: 'FST_SNAPSHOT_NOT_RESTORABLE', error: 'Conflict', message: /FAILED/ })
  }
})

t.test('a damaged snapshot is 422 on restore and download, leaves the database as it is, and is told by verify', async t => {
  const { request, path, folder } = await startHost(t)
  await request('POST', '/snapshots', { name: 'spoilt' })
  for (const pack of packsOf(folder)) flipBit(pack, 1 / 3)
  change(path)
  const content = contentOf(path)
  for (const [method, suffix] of [['POST', '/restore'], ['GET', '/download']] as const) {
    const response = await request(method, `/snapshots/spoilt${suffix}`)
    t.equal(response.statusCode, 422, suffix)
    t.match(response.json(), { statusCode: 422, code: 'FST_SNAPSHOT_DAMAGED', error: 'Unprocessable Entity' })
  }
  t.same(contentOf(path), content)
  const verification = await request('POST', '/snapshots/spoilt/verify')
  t.equal(verification.statusCode, 200)
  t.match(verification.json(), { snapshot: 'spoilt', isHealthy: false, errors: [/damaged/] })
  t.match((await request('GET', '/snapshots/spoilt')).json(), { replicas: [{ storage: 'local', state: 'DAMAGED' }], verifiedAt: null })
})

t.test('a snapshot whose stored bytes are gone is 422, and verify says MISSING', async t => {
  const { request, folder } = await startHost(t)
  await request('POST', '/snapshots', { name: 'lost' })
  for (const pack of packsOf(folder)) rmSync(pack)
  t.equal((await request('POST', '/snapshots/lost/restore')).statusCode, 422)
  t.match((await request('POST', '/snapshots/lost/verify')).json(), { isHealthy: false })
  t.match((await request('GET', '/snapshots/lost')).json().replicas, [{ state: 'MISSING' }])
})

t.test('POST /snapshots/:name/verify says that a sound snapshot is healthy and when that was found', async t => {
  const { request } = await startHost(t)
  const { id } = (await request('POST', '/snapshots', { name: 'good' })).json()
  const response = await request('POST', '/snapshots/good/verify')
  t.equal(response.statusCode, 200)
  const verification = response.json()
  t.same(Object.keys(verification).sort(), ['checkedAt', 'durationMs', 'errors', 'id', 'isHealthy', 'replicas', 'snapshot'])
  t.match(verification, { snapshot: 'good', id, isHealthy: true, errors: [], replicas: [{ storage: 'local', isHealthy: true, errors: [] }] })
  t.equal((await request('GET', '/snapshots/good')).json().verifiedAt, verification.checkedAt)
})

t.test('a restore into a locked database is 503 with Retry-After', async t => {
  const { request, path } = await startHost(t, { lockTimeout: 50 })
  withRollbackJournal(path)
  await request('POST', '/snapshots', { name: 'good' })
  await holdLock(t, path)
  const response = await request('POST', '/snapshots/good/restore')
  t.equal(response.statusCode, 503)
  t.equal(response.json().code, 'FST_SNAPSHOT_DATABASE_LOCKED')
  t.match(response.headers['retry-after'], /^[1-9]\d*$/)
})

t.test('a restore that fails in the migrations says "Restore failed" and why', async t => {
  const { request, log } = await startHost(t, { migrate () { throw new Error('no such column') } })
  await request('POST', '/snapshots', { name: 'good' })
  const response = await request('POST', '/snapshots/good/restore')
  t.equal(response.statusCode, 500)
  t.match(response.json(), { statusCode: 500, code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /^Restore failed: .*no such column/ })
  t.ok(log.some(({ msg }) => /Restore failed: .*no such column/.test(msg)))
})

for (const suffix of ['restore', 'verify']) {
  t.test(`${suffix} takes no fields`, async t => {
    const { request } = await startHost(t)
    await request('POST', '/snapshots', { name: 'good' })
    t.equal((await request('POST', `/snapshots/good/${suffix}`, {})).statusCode, 200)
    const response = await request('POST', `/snapshots/good/${suffix}`, { force: true })
    t.equal(response.statusCode, 400)
    t.match(response.json(), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /body\/force/ })
  })
}
