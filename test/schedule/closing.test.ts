import Fastify from 'fastify'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import snapshots, { SnapshotWriter, type Snapshot, type SnapshotsPluginOptions } from '../../src/index.ts'
import { customHost, type CustomHost } from '../helpers/custom-host.ts'
import { filesIn } from '../helpers/damage.ts'
import { contentOf, makeLargeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { ADMIN_TOKEN } from '../helpers/host.ts'
import { enginesOf } from '../helpers/processes.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const BYTES = 24 * 1024 * 1024

async function hostWith (t: Test, plugin: SnapshotsPluginOptions = {}): Promise<CustomHost> {
  const path = join(testFolder(t), 'app.db')
  makeLargeDatabase(path, BYTES)
  return await customHost(t, path, { plugin })
}

/** What must be so once the host has closed, however far a creation was. */
async function checkClosed (t: Test, path: string): Promise<Snapshot[]> {
  t.same(enginesOf(process.pid), [], 'no engine is left')
  const writer = new SnapshotWriter({ database: path })
  t.teardown(async () => { await writer.close() })
  const { snapshots } = await writer.listSnapshots()
  for (const { status, error } of snapshots) {
    if (status === 'FAILED') t.match(error, { code: 'FST_SNAPSHOT_CANCELLED' })
    else t.equal(status, 'COMPLETED')
  }
  const stored = snapshots.filter(({ status }) => status === 'COMPLETED').flatMap(({ id }) => [join('packs', id, 'data.zst'), join('snapshots', `${id}.json`)])
  const backups = join(path, '..', 'backups')
  t.same(filesIn(backups).map(file => file.slice(join(backups, 'app', '/').length)), stored.sort(), 'only what is complete is stored, and no temporary file is left')
  return snapshots
}

const engineAtWork = async (): Promise<void> => { await waitUntil('an engine is at work', () => enginesOf(process.pid).length > 0) }

t.test('closing the application while a scheduled snapshot is made leaves nothing half done', async t => {
  const { app, path, log } = await hostWith(t, { schedule: { snapshots: '* * * * * *', integrity: false } })
  await engineAtWork()
  await app.close()
  t.ok((await checkClosed(t, path)).length > 0)
  t.notOk(log.some(({ level }) => level >= 60))
})

for (const prefer of ['respond-async', 'wait=100']) {
  t.test(`closing the application while a requested snapshot is made leaves nothing half done, Prefer: ${prefer}`, async t => {
    const { app, path, request: send } = await hostWith(t)
    const answer = send('POST', '/snapshots', { name: 'wanted' }, { prefer })
    await engineAtWork()
    await app.close()
    const { statusCode, headers } = await answer
    t.equal((await checkClosed(t, path)).length, 1)
    t.ok([201, 202, 503].includes(statusCode), `the client has an answer: ${statusCode}`)
    if (statusCode === 503) t.match(headers['retry-after'], /^\d+$/)
  })
}

t.test('closing the application while a client of the network waits for a snapshot gives the client an answer', async t => {
  const { app, path } = await hostWith(t)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const client = request(`${address}/snapshots`, { agent: false, method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}` } }).end()
  const answer = once(client, 'response') as Promise<[IncomingMessage]>
  await engineAtWork()
  await app.close()
  const [{ statusCode }] = await answer
  t.ok([201, 503].includes(Number(statusCode)), `the client has an answer: ${String(statusCode)}`)
  t.equal((await checkClosed(t, path)).length, 1)
})

t.test('closing the application while it checks the database, restores or verifies ends cleanly', async t => {
  const { app, path, request: send } = await hostWith(t)
  t.equal((await send('POST', '/snapshots', { name: 'good' })).statusCode, 201)
  const content = contentOf(path)
  const answers = [send('POST', '/snapshots/integrity', { mode: 'full' }), send('POST', '/snapshots/good/restore'), send('POST', '/snapshots/good/verify'), send('GET', '/snapshots/good/download')]
  await engineAtWork()
  await app.close()
  for (const answer of await Promise.all(answers)) t.ok([200, 503].includes(answer.statusCode), `the client has an answer: ${answer.statusCode}`)
  t.same(enginesOf(process.pid), [])
  t.same(contentOf(path), content)
  t.same(existsSync(join(path, '..', 'recovery')) ? filesIn(join(path, '..', 'recovery')).filter(file => file.includes('partial')) : [], [])
  t.same(filesIn(join(path, '..', 'backups', '.tmp')), [])
})

t.test('closing an application that was never ready works', async t => {
  const path = join(testFolder(t), 'app.db')
  const app = Fastify({ logger: { level: 'silent' } })
  void app.register(snapshots, { database: path, auth: false })
  await t.resolves(app.close())
})
