import Database from 'better-sqlite3'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { updateSnapshotRow } from '../../../src/catalog/snapshots.ts'
import type { DrillReport, SnapshotOptions } from '../../../src/index.ts'
import { LockFile } from '../../../src/lock-file.ts'
import { lockFileOf } from '../../../src/snapshots/drills/scratch.ts'
import { toMarkdown } from '../../../src/snapshots/drills/drill-report.ts'
import { breakIndex, flipBit } from '../../helpers/damage.ts'
import { openContext } from '../../helpers/open-context.ts'
import { packsIn } from '../../helpers/sharing.ts'
import { setUpTwo } from '../../helpers/two-storages.ts'

const STEPS = ['restore', 'integrity', 'foreign keys', 'migrations', 'validation']
const stepsOf = ({ steps }: DrillReport): string[] => steps.map(({ name }) => name)

t.test('a drill restores the newest snapshot to a scratch file, judges it, and keeps a report', async t => {
  const { path, writer } = openContext(t)
  await writer.createSnapshot('a')
  const report = await writer.drills.runDrill()
  t.match(report, { database: 'app', snapshot: { name: 'a' }, storage: 'local', isSuccess: true, error: null, startedAt: /^\d{4}-/ })
  t.same(stepsOf(report), STEPS)
  t.same(writer.drills.listDrills(), [report])
  const folder = join(path, '..', 'recovery', 'drills')
  const [json, markdown] = readdirSync(folder).sort() as [string, string]
  t.same(JSON.parse(readFileSync(join(folder, json), 'utf8')), report)
  t.match(readFileSync(join(folder, markdown), 'utf8'), /# Restore drill of `app`: passed\n[^]*`a` of [^]*\| validation \| .* s \| passed \|/)
  t.notOk(existsSync(join(path, '..', 'backups', '.drill', 'app')), 'nothing is left of the scratch file')
  t.same((await writer.drills.runDrill({ snapshot: 'a', storage: 'local' })).isSuccess, true)
  t.equal(writer.drills.listDrills().length, 2)
})

t.test('it reads the farthest storage, all of it, and no other one where that fails', async t => {
  const { writer, remote } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.completeReplicas()
  remote.given = 0
  t.match(await writer.drills.runDrill(), { isSuccess: true, storage: 'remote' })
  t.ok(remote.given > 0, 'nothing comes from the live database')
  remote.isDown = true
  t.match(await writer.drills.runDrill(), { isSuccess: false, storage: 'remote', error: /it is down/, steps: [{ name: 'restore', error: /it is down/ }] })
  t.match(await writer.drills.runDrill({ storage: 'local' }), { isSuccess: true, storage: 'local' })
  await t.rejects(writer.drills.runDrill({ storage: 'elsewhere' }), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /there is none called elsewhere; there are local, remote/ })
  await writer.createSnapshot('b')
  await t.rejects(writer.drills.runDrill({ snapshot: 'b', storage: 'remote' }), { code: 'FST_SNAPSHOT_NOT_RESTORABLE', message: /storage remote does not have it/ })
  t.match(await writer.getSnapshot('b'), { replicas: [{ state: 'STORED' }, { storage: 'remote', state: 'PENDING' }] }, 'a copy that is still to be made is not missed')
})

t.test('a snapshot that is in no storage any more cannot be restored', async t => {
  const { context, writer } = openContext(t)
  const { id } = await writer.createSnapshot('a')
  updateSnapshotRow(context.catalog, id, { replicas: [{ storage: 'elsewhere', state: 'STORED' }] })
  t.match(await writer.drills.runDrill(), { isSuccess: false, error: /a is in no storage that is configured$/ })
})

t.test('a drill that fails degrades health, until one passes', async t => {
  const { path, writer } = openContext(t)
  await writer.createSnapshot('a')
  for (const pack of packsIn(join(path, '..', 'backups'))) flipBit(pack, 0.3)
  t.match(await writer.drills.runDrill(), { isSuccess: false, error: /damaged/ })
  t.match(writer.health().reasons, [/The restore rehearsed at .* failed: .*damaged/])
  await writer.createSnapshot('b', { full: true })
  t.match(await writer.drills.runDrill(), { isSuccess: true, snapshot: { name: 'b' } })
  t.notMatch(writer.health().reasons.join(), /rehearsed/)
})

t.test('where there is no such snapshot nothing was found out about restores', async t => {
  const { writer } = openContext(t)
  await t.rejects(writer.drills.runDrill(), { code: 'FST_SNAPSHOT_NOT_FOUND' })
  await t.rejects(writer.drills.runDrill({ snapshot: 'tpyo' }), { code: 'FST_SNAPSHOT_NOT_FOUND' })
  t.same(writer.drills.listDrills(), [])
})

/** A writer with a snapshot of a database to which something was done. */
async function drillAfter (t: Test, change: string | ((path: string) => void), options: SnapshotOptions = {}): Promise<DrillReport> {
  const { path, writer } = openContext(t, options)
  if (typeof change === 'string') new Database(path).exec(change).close()
  else change(path)
  await writer.createSnapshot('a')
  return await writer.drills.runDrill()
}

t.test('what quick_check does not see, the drill does', async t => {
  t.match(await drillAfter(t, 'PRAGMA foreign_keys = OFF; CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children (parent REFERENCES parents (id)); INSERT INTO children VALUES (7)'),
    { isSuccess: false, error: /children refers to a row that parents does not have/, steps: [{}, {}, { name: 'foreign keys', error: /children/ }] })
  t.match(await drillAfter(t, path => { breakIndex(path, 'items_text', 'items') }), { isSuccess: false, steps: [{}, { name: 'integrity', error: /items_text/ }] })
})

t.test('migrations that do not fit make it fail', async t => {
  t.match(await drillAfter(t, 'SELECT 1', { migrate: () => { throw new Error('no such column') } }), { isSuccess: false, error: 'Restore failed: the migrations could not be applied to the snapshot: no such column', steps: [{}, {}, {}, { name: 'migrations' }] })
})

t.test('the application judges the restored database, which it can only read', async t => {
  const rows = (count: number): SnapshotOptions => ({ validate: database => (database.prepare('SELECT count(*) AS count FROM items').get() as { count: number }).count > count })
  t.match(await drillAfter(t, 'SELECT 1', rows(0)), { isSuccess: true })
  t.match(await drillAfter(t, 'SELECT 1', rows(1e6)), { isSuccess: false, error: 'the application does not accept it: validate returned false' })
  t.match(await drillAfter(t, 'SELECT 1', { validate: () => 0 }), { isSuccess: false, error: 'the application does not accept it: validate returned 0' })
  t.match(await drillAfter(t, 'SELECT 1', { validate: async () => null }), { isSuccess: true })
  t.match(await drillAfter(t, 'SELECT 1', { validate: async () => { throw new Error('no users') } }), { isSuccess: false, error: 'no users' })
  t.match(await drillAfter(t, 'SELECT 1', { validate: async () => { throw Object.assign(new Error('no such snapshot'), { code: 'FST_SNAPSHOT_NOT_FOUND' }) } }), { isSuccess: false, error: 'no such snapshot' }, 'also with an error as of ours')
  t.match(await drillAfter(t, 'SELECT 1', { validate: database => { database.prepare('DELETE FROM items RETURNING id').all() } }), { isSuccess: false, error: /readonly/ })
})

t.test('an application that never ends its judgement has not accepted it', async t => {
  t.match(await drillAfter(t, 'SELECT 1', { validateTimeout: 50, validate: async () => { await new Promise(() => {}) } }), { isSuccess: false, error: 'it was not done after 50 ms' })
  t.match(await drillAfter(t, 'SELECT 1', { validateTimeout: 50, migrate: async () => { await new Promise(() => {}) } }), { isSuccess: false, error: /it was not done after 50 ms/, steps: [{}, {}, {}, { name: 'migrations' }] })
})

t.test('what a killed drill has left goes at the next start, unless another is under way', async t => {
  const { path, context, writer } = openContext(t)
  const scratch = join(path, '..', 'backups', '.drill', 'app')
  const left = async (): Promise<boolean> => {
    mkdirSync(scratch, { recursive: true })
    context.isSettled = false
    await writer.settle()
    return existsSync(scratch)
  }
  t.equal(await left(), false)
  const other = LockFile.takeBlocking(lockFileOf(context), 0)
  t.equal(await left(), true)
  other?.release()
  t.equal(await left(), false)
})

t.test('one drill runs at a time, and what a killed one has left is removed by the next', async t => {
  const { path, writer } = openContext(t)
  await writer.createSnapshot('a')
  const backups = join(path, '..', 'backups')
  const scratch = join(backups, '.drill', 'app')
  mkdirSync(scratch, { recursive: true })
  writeFileSync(join(scratch, 'drill.db'), 'left')
  const other = LockFile.takeBlocking(join(backups, '.locks', 'app.drill.lock'), 0) as LockFile
  await t.rejects(writer.drills.runDrill(), { code: 'FST_SNAPSHOT_BUSY' })
  other.release()
  t.match(await writer.drills.runDrill(), { isSuccess: true })
  t.notOk(existsSync(scratch))
})

t.test('a drill that is cut short has no outcome', async t => {
  const { writer, context } = openContext(t)
  context.settings.validate = async () => { void writer.drain(); await new Promise(() => {}) }
  await writer.createSnapshot('a')
  await t.rejects(writer.drills.runDrill(), { code: 'FST_SNAPSHOT_CANCELLED' })
  t.same(writer.drills.listDrills(), [])
})

t.test('a report that cannot be written is in the catalog all the same', async t => {
  const warnings: unknown[] = []
  const { path, writer } = openContext(t, { logger: { info () {}, error () {}, warn: (...args: unknown[]) => { warnings.push(args[1]) } } })
  await writer.createSnapshot('a')
  mkdirSync(join(path, '..', 'recovery'), { recursive: true })
  writeFileSync(join(path, '..', 'recovery', 'drills'), 'a file')
  t.match(await writer.drills.runDrill(), { isSuccess: true })
  t.match(warnings, [/The report of a drill was not written: .* It is in the catalog/])
  t.equal(writer.drills.listDrills().length, 1)
  rmSync(join(path, '..', 'recovery', 'drills'))
})

t.test('wrong options are told', async t => {
  const { writer } = openContext(t)
  await t.rejects(writer.drills.runDrill({ name: 'a' } as never), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /name.*snapshot, storage/ })
})

t.test('a table of the report stays one, whatever the errors say', async t => {
  const report: DrillReport = { id: 'i', database: 'app', snapshot: null, storage: null, startedAt: '2026-01-01T00:00:00.000Z', durationMs: 1500, isSuccess: false, error: 'a | b\nc', steps: [{ name: 'restore', durationMs: 1, error: 'a | b\nc' }] }
  t.equal(toMarkdown(report), `# Restore drill of \`app\`: FAILED

- Begun: 2026-01-01T00:00:00.000Z
- Took: 1.500 s
- Snapshot: none
- Read from: nowhere
- Failed with: a \\| b c

| Step | Took | Outcome |
|---|---|---|
| restore | 0.001 s | a \\| b c |
`)
})
