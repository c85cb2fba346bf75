import Database from 'better-sqlite3'
import { join } from 'node:path'
import t from 'tap'
import type { SnapshotContext } from '../../../src/snapshots/context.ts'
import { applyAfterCreation } from '../../../src/snapshots/retention/apply-retention.ts'
import { testFolder } from '../../helpers/folder.ts'
import { openContext } from '../../helpers/open-context.ts'
import { setUpTwo } from '../../helpers/two-storages.ts'
import { writerFor } from '../../helpers/round-trip.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'
import { filesIn } from '../../helpers/damage.ts'

const namesOf = async (writer: { listSnapshots: () => Promise<{ snapshots: Array<{ name: string }> }> }): Promise<string[]> => (await writer.listSnapshots()).snapshots.map(({ name }) => name)

/** Makes rows of the catalog older. */
function age (context: SnapshotContext, name: string, days: number): void {
  const createdAt = new Date(Date.now() - days * 24 * 60 * 60 * 1000).toISOString()
  const catalog = new Database(context.catalog.path)
  catalog.prepare('UPDATE snapshots SET createdAt = ? WHERE name = ?').run(createdAt, name)
  catalog.close()
}

t.test('a plan says of each snapshot by which rule it stays or goes, and changes nothing', async t => {
  const { context, writer } = openContext(t)
  for (const name of ['a', 'b', 'c']) await writer.createSnapshot(name, { trigger: 'scheduled' })
  context.settings.retention.scheduled = { keepLast: 2 }
  const plan = await writer.retention.plan()
  t.match(plan, { database: 'app', held: 0, failed: [], snapshots: [{ name: 'c', isKept: true, rules: ['keepLast', 'minimum'] }, { name: 'b', isKept: true, rules: ['keepLast'] }, { name: 'a', trigger: 'scheduled', createdAt: /^\d{4}-/, isKept: false, rules: ['none'] }] })
  t.same(await namesOf(writer), ['c', 'b', 'a'])
})

t.test('it runs after each creation, and what nobody keeps is gone from all storages, with a tombstone in the catalog', async t => {
  const { writer, remote, backups } = setUpTwo(t, { retention: { manual: { keepLast: 1 } } })
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  await writer.createSnapshot('b', { full: true })
  await writer.completeReplicas()
  t.same(await namesOf(writer), ['b'])
  for (const folder of [backups, remote.root]) t.equal(filesIn(folder).filter(file => file.includes('/snapshots/')).length, 1)
  const catalog = new Database(join(backups, 'catalog.db'))
  t.match(catalog.prepare("SELECT deletedAt, replicas FROM snapshots WHERE name = 'a'").get(), { deletedAt: /^\d{4}-/, replicas: '[]' })
  catalog.close()
})

t.test('what only a storage has that is not configured any more pushes out nothing', async t => {
  const { path, local, remote, writer } = setUpTwo(t)
  await writer.createSnapshot('reachable')
  await writer.close()
  const between = writerFor(t, path, { storage: remote })
  for (const name of ['a', 'b']) await between.createSnapshot(name, { full: true })
  await between.close()
  const again = writerFor(t, path, { storage: local, retention: { manual: { keepLast: 1 } } })
  t.match(await again.retention.apply(), { removed: [], snapshots: [{ name: 'b', rules: ['evidence'] }, { name: 'a', rules: ['evidence'] }, { name: 'reachable', rules: ['keepLast', 'minimum'] }] })
})

t.test('failed creations age out, and others do not for that', async t => {
  const { context, writer } = openContext(t)
  await writer.createSnapshot('sound')
  const { runEngine } = context
  context.runEngine = async () => { throw new Error('no engine today') }
  for (const name of ['old', 'young']) await t.rejects(writer.createSnapshot(name))
  context.runEngine = runEngine
  age(context, 'old', 31)
  age(context, 'sound', 31)
  t.match(await writer.retention.plan(), { failed: [{ name: 'old' }] })
  t.match(await writer.retention.apply(), { removed: [], failed: [{ name: 'old' }] })
  t.same(await namesOf(writer), ['young', 'sound'])
})

t.test('a database that was emptied holds the snapshots from before, until somebody says that it is right so', async t => {
  const { path, context, writer } = openContext(t, { retention: { scheduled: { keepLast: 1 } } })
  const database = new Database(path)
  database.exec('CREATE TABLE large AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT randomblob(1000) AS data FROM n')
  await writer.createScheduledSnapshot()
  database.exec('DELETE FROM large')
  database.close()
  const { name } = await writer.createScheduledSnapshot()
  t.match(await writer.retention.plan(), { held: 1, snapshots: [{ name, rules: ['keepLast', 'minimum'] }, { isKept: true, rules: ['held'] }] })
  t.match(writer.health(), { status: 'degraded', reasons: [/Snapshots that retention holds, as the newest one is so much smaller: 1\. .*includeHeld/] })
  t.match(await writer.retention.apply(), { removed: [], held: 1 }, 'by itself it stays')
  const before = (await namesOf(writer))[1] as string
  t.match(await writer.retention.apply({ includeHeld: true }), { removed: [before], held: 0 })
  t.match(writer.health(), { status: 'ok' })
  t.equal(context.catalog.isOpen, true)
})

t.test('what cannot be removed is logged, and the rest goes on', async t => {
  const warnings: unknown[] = []
  const { context, writer } = openContext(t, { retention: { manual: { keepLast: 3 } }, logger: { info () {}, error () {}, warn: (...args: unknown[]) => { warnings.push(args) } } })
  for (const name of ['a', 'b', 'c']) await writer.createSnapshot(name)
  context.settings.retention.manual = { keepLast: 1 }
  const { put } = context.primary
  let failures = 1
  context.primary.put = async (...args) => { // the mark of the deletion
    if (failures-- > 0) throw new Error('not now')
    return await put.apply(context.primary, args)
  }
  t.match(await writer.retention.apply(), { removed: ['b'] })
  t.match(warnings, [[{ snapshot: 'a' }, /An old snapshot could not be removed: .*not now/]])
  t.match(await writer.retention.apply(), { removed: ['a'] }, 'it is tried again')
})

t.test('where the storage is down, not every snapshot is tried', async t => {
  const warnings: string[] = []
  const storage = new RemoteStorage(join(testFolder(t), 'remote'))
  const { context, writer } = openContext(t, { storage, logger: { info () {}, error () {}, warn: (_details: unknown, words: string) => { warnings.push(words) } } })
  for (const name of ['a', 'b', 'c']) await writer.createSnapshot(name)
  context.settings.retention.manual = { keepLast: 1 }
  storage.isDown = true
  t.match(await writer.retention.apply(), { removed: [] })
  t.equal(warnings.filter(words => /^An old snapshot could not be removed: .*it is down/.test(words)).length, 1)
  storage.isDown = false
  t.match(await writer.retention.apply(), { removed: ['a', 'b'] })
})

t.test('a creation has succeeded, whatever becomes of older snapshots', async t => {
  const warnings: unknown[] = []
  const { context, writer } = openContext(t, { retention: { manual: { keepLast: 1 } }, logger: { info () {}, error () {}, warn: (...args: unknown[]) => { warnings.push(args) } } })
  await writer.createSnapshot('a')
  context.settings.retention.manual = {}
  await writer.createSnapshot('b')
  context.settings.retention.manual = { keepLast: 1 }
  await applyAfterCreation(context, AbortSignal.abort(new Error('closing')))
  t.match(warnings, [[{}, 'Old snapshots were not removed this time: closing']])
  t.same(await namesOf(writer), ['b', 'a'])
})

t.test('what was deleted, or lost, meanwhile is not deleted again', async t => {
  const { context, writer } = openContext(t)
  for (const name of ['a', 'b', 'c']) await writer.createSnapshot(name)
  context.settings.retention.manual = { keepLast: 1 }
  const { read } = context.catalog
  let isDeleted = false
  context.catalog.read = query => {
    const result = read.call(context.catalog, query)
    if (!isDeleted && Array.isArray(result) && result.length === 3) {
      isDeleted = true
      const catalog = new Database(context.catalog.path)
      catalog.exec("UPDATE snapshots SET deletedAt = '2026-01-01T00:00:00.000Z' WHERE name = 'a'; DELETE FROM snapshots WHERE name = 'b'")
      catalog.close()
    }
    return result as never
  }
  t.match(await writer.retention.apply(), { removed: [] })
})

t.test('callers without types get a clear error', async t => {
  const { writer } = openContext(t)
  await t.rejects(writer.retention.apply({ force: true } as never), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /force.*includeHeld/ })
  await writer.close()
  await t.rejects(writer.retention.plan(), { code: 'FST_SNAPSHOT_CANCELLED' })
})
