import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Recovery, ResetResult, RestoreResult, RollbackResult } from '../../src/schemas/responses.ts'
import { damageDatabase } from '../helpers/damage.ts'
import { contentOf } from '../helpers/databases.ts'
import { fitsSchema } from '../helpers/fits-schema.ts'
import { startHost, VIEWER_TOKEN, type Host } from '../helpers/host.ts'
import { change } from '../helpers/recoverable.ts'

interface RestoredHost extends Host {
  /** Content from before the restore, and since then. */
  before: Record<string, string>
  restored: Record<string, string>
}

/** A host whose database was changed after the snapshot `a`, which was then restored. */
async function restoredHost (t: Test): Promise<RestoredHost> {
  const host = await startHost(t)
  await host.request('POST', '/snapshots', { name: 'a' })
  change(host.path, 'DELETE FROM items WHERE id < 50')
  const before = contentOf(host.path)
  t.equal((await host.request('POST', '/snapshots/a/restore')).statusCode, 200)
  return { ...host, before, restored: contentOf(host.path) }
}

const ways = ['rollback', 'reset'] as const

t.test('before the first restore there is nothing to see', async t => {
  const { request } = await startHost(t)
  t.same((await request('GET', '/snapshots/recovery')).json(), { backups: [], restores: [] })
})

t.test('a viewer sees what was kept from before restores, and what became of them', async t => {
  const { app, request, folder } = await restoredHost(t)
  await request('POST', '/snapshots/recovery/rollback', { confirm: 'app' })
  const response = await app.inject({ url: '/snapshots/recovery', headers: { authorization: `Bearer ${VIEWER_TOKEN}` } })
  t.equal(response.statusCode, 200)
  const answer = response.json()
  fitsSchema(t, Recovery, answer)
  t.match(answer, {
    backups: [{ kind: 'pre_rollback', snapshot: null }, { kind: 'pre_restore', name: /^pre_restore_\d{8}T\d{6}Z$/, snapshot: 'a' }],
    restores: [{ kind: 'rollback', status: 'SUCCESS', error: null }, { kind: 'restore', snapshot: 'a', status: 'SUCCESS', times: { REQUESTED: String, STAGED: String, BACKED_UP: String, APPLYING: String, VERIFYING: String, SUCCESS: String } }]
  })
  const [, backup] = answer.backups
  t.equal(backup.path, join(folder, 'recovery', `${backup.name}.db`))
  t.equal(backup.restoreId, answer.restores[1].id)
  t.equal(answer.restores[1].preRestoreBackup, backup.path)
  t.equal((await request('GET', '/snapshots/recovery?limit=1')).statusCode, 400)
})

t.test('POST /snapshots/recovery/rollback brings the content from before the restore back', async t => {
  const { request, path, before, restored } = await restoredHost(t)
  const response = await request('POST', '/snapshots/recovery/rollback', { confirm: 'app' })
  t.equal(response.statusCode, 200)
  fitsSchema(t, RollbackResult, response.json())
  t.same(contentOf(path), before)
  t.same(contentOf(response.json().safetyCopy), restored)
})

t.test('a backup can be chosen', async t => {
  const { request, path, restored } = await restoredHost(t)
  change(path, 'DELETE FROM items')
  await request('POST', '/snapshots/recovery/rollback', { confirm: 'app' })
  const { backups } = (await request('GET', '/snapshots/recovery')).json()
  await request('POST', '/snapshots/recovery/rollback', { confirm: 'app', backup: backups[0].name })
  t.equal(backups[0].kind, 'pre_rollback')
  t.notSame(contentOf(path), restored)
  const unknown = await request('POST', '/snapshots/recovery/rollback', { confirm: 'app', backup: 'pre_restore_20000101T000000Z' })
  t.equal(unknown.statusCode, 404)
  t.match(unknown.json(), { code: 'FST_SNAPSHOT_NOT_FOUND', message: /pre_restore_20000101T000000Z/ })
})

t.test('POST /snapshots/recovery/reset gives a damaged database a sound content again', async t => {
  const { request, path, restored } = await restoredHost(t)
  damageDatabase(path)
  const response = await request('POST', '/snapshots/recovery/reset', { from: 'latest-snapshot', confirm: 'app' })
  t.equal(response.statusCode, 200)
  fitsSchema(t, ResetResult, response.json())
  t.match(response.json(), { snapshot: 'a', skipped: [], integrity: { isHealthy: true }, replacement: null })
  t.same(contentOf(path), restored)
  t.ok(existsSync(join(response.json().quarantine, 'app.db')))
})

t.test('a reset to an empty database, too', async t => {
  const { request, path } = await restoredHost(t)
  const response = await request('POST', '/snapshots/recovery/reset', { from: 'empty', confirm: 'app' })
  t.match(response.json(), { snapshot: null })
  fitsSchema(t, ResetResult, response.json())
  t.same(Object.keys(contentOf(path)), ['userVersion', 'schema'])
})

t.test('a file that was replaced is told of', async t => {
  const { request, path } = await restoredHost(t)
  for (const way of ['a/restore', 'recovery/rollback', 'recovery/reset']) {
    writeFileSync(path, 'gone')
    const response = await request('POST', `/snapshots/${way}`, way === 'a/restore' ? {} : { confirm: 'app' })
    t.equal(response.statusCode, 200)
    fitsSchema(t, { 'a/restore': RestoreResult, 'recovery/rollback': RollbackResult, 'recovery/reset': ResetResult }[way]!, response.json())
    t.match(response.json(), { replacement: { path, reason: /is not a SQLite database/, quarantine: String, heldBy: [] } })
  }
})

for (const way of ways) {
  t.test(`a ${way} that does not name the database is refused, and changes nothing`, async t => {
    const { request, path, folder, restored } = await restoredHost(t)
    const kept = readdirSync(join(folder, 'recovery'))
    for (const body of [undefined, {}, { confirm: '' }, { confirm: 'APP' }, { confirm: 'other' }]) {
      const response = await request('POST', `/snapshots/recovery/${way}`, body)
      t.equal(response.statusCode, 400)
      t.match(response.json(), { code: 'FST_SNAPSHOT_NOT_CONFIRMED', message: /{"confirm": "app"}/ })
    }
    t.same(contentOf(path), restored)
    t.same(readdirSync(join(folder, 'recovery')), kept)
  })

  t.test(`a ${way} whose body makes no sense is refused, and changes nothing`, async t => {
    const { request, path, restored } = await restoredHost(t)
    for (const body of [{ confirm: 3 }, { confirm: 'app', backup: '' }, { confirm: 'app', backup: 3 }, { confirm: 'app', from: 'somewhere' }, { confirm: 'app', force: true }]) {
      const response = await request('POST', `/snapshots/recovery/${way}`, body)
      t.equal(response.statusCode, 400)
      t.match(response.json(), { code: 'FST_SNAPSHOT_INVALID_REQUEST' })
    }
    t.equal((await request('POST', `/snapshots/recovery/${way}?force=1`, { confirm: 'app' })).statusCode, 400)
    t.same(contentOf(path), restored)
  })

  t.test(`only an admin may ask for a ${way}`, async t => {
    const { app, path, restored } = await restoredHost(t)
    const statusWith = async (headers: Record<string, string>): Promise<number> => (await app.inject({ method: 'POST', url: `/snapshots/recovery/${way}`, headers, payload: { confirm: 'app' } })).statusCode
    t.equal(await statusWith({}), 401)
    t.equal(await statusWith({ authorization: `Bearer ${VIEWER_TOKEN}` }), 403)
    t.equal((await app.inject('/snapshots/recovery')).statusCode, 401)
    t.same(contentOf(path), restored)
  })
}

t.test('a reset where no snapshot is says so', async t => {
  const { request, path } = await startHost(t)
  const content = contentOf(path)
  const response = await request('POST', '/snapshots/recovery/reset', { confirm: 'app' })
  t.equal(response.statusCode, 500)
  t.match(response.json(), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /no snapshot to reset the database from.*the live database is unchanged/ })
  t.same(contentOf(path), content)
  t.match((await request('GET', '/snapshots/recovery')).json(), { backups: [], restores: [{ kind: 'reset', status: 'FAILED', error: { code: 'FST_SNAPSHOT_RESTORE_FAILED' } }] })
})
