import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { startHost } from '../helpers/host.ts'
import { writerFor } from '../helpers/round-trip.ts'
import '../helpers/use-built.ts'

t.test('of 20 creations requested at once each completes, one after the other', async t => {
  const { request } = await startHost(t)
  const responses = await Promise.all(Array.from({ length: 20 }, async () => await request('POST', '/snapshots')))
  t.same(responses.map(({ statusCode }) => statusCode), Array(20).fill(201))
  const { snapshots } = (await request('GET', '/snapshots')).json()
  t.equal(new Set(snapshots.map(({ name }: { name: string }) => name)).size, 20, 'each has a name of its own')
  for (const { name } of snapshots.slice(0, 5)) t.match((await request('POST', `/snapshots/${String(name)}/verify`)).json(), { isHealthy: true })
})

t.test('of too many operations at once the last are refused, and told to come again', async t => {
  const { request } = await startHost(t)
  const responses = await Promise.all(Array.from({ length: 40 }, async () => await request('POST', '/snapshots')))
  const refused = responses.filter(({ statusCode }) => statusCode === 503)
  t.equal(refused.length, 40 - 32)
  t.match(refused[0]?.json(), { code: 'FST_SNAPSHOT_QUEUE_FULL' })
  t.ok(refused[0]?.headers['retry-after'])
  t.equal(responses.filter(({ statusCode }) => statusCode === 201).length, 32)
})

t.test('of creations with one name only one has it', async t => {
  const { request } = await startHost(t)
  const responses = await Promise.all(Array.from({ length: 5 }, async () => await request('POST', '/snapshots', { name: 'wanted' })))
  t.same(responses.map(({ statusCode }) => statusCode).sort(), [201, 409, 409, 409, 409])
})

t.test('two processes on one folder take turns and harm nothing', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const script = fileURLToPath(new URL('../processes/create-some.ts', import.meta.url))
  const children = [1, 2].map(() => fork(script, [path, '10']))
  const outcomes = (await Promise.all(children.map(async child => await once(child, 'message')))).flatMap(([message]) => message)
  t.same(outcomes, Array(20).fill('COMPLETED'))

  const writer = writerFor(t, path)
  const { snapshots } = await writer.listSnapshots()
  t.equal(snapshots.length, 20)
  t.equal(new Set(snapshots.map(({ name }) => name)).size, 20)
  for (const { name } of snapshots.slice(0, 5)) t.match(await writer.verifySnapshot(name), { isHealthy: true })
})
