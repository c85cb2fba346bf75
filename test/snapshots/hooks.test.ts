import Database from 'better-sqlite3'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runEngine } from '../../src/engine/engine.ts'
import { HOOKS, type SnapshotHooks } from '../../src/hooks.ts'
import { query } from '../helpers/bank.ts'
import { damageDatabase } from '../helpers/damage.ts'
import { contentOf } from '../helpers/databases.ts'
import { startHost } from '../helpers/host.ts'
import { until } from '../helpers/processes.ts'
import { change, recoverable } from '../helpers/recoverable.ts'
import { BackgroundScript } from '../helpers/run-script.ts'

type Told = Array<[name: string, argument: unknown]>

/** Hooks that note what they are called with. */
function noting (told: Told): SnapshotHooks {
  return Object.fromEntries(HOOKS.map(name => [name, (argument: unknown) => { told.push([name, argument]) }]))
}

t.test('an application is told of what happens, with what whoever asked for it gets', async t => {
  const told: Told = []
  const { path, writer } = await recoverable(t, noting(told))
  t.same(told.splice(0), [['onSnapshotCreated', await writer.getSnapshot('a')]])
  const snapshot = await writer.getSnapshot('a')
  const restored = await writer.restoreFromSnapshot('a')
  t.same(told.splice(0), [['onBeforeRestore', snapshot], ['onRestored', restored]])
  await writer.restoreTables('a', ['items'])
  t.same(told.splice(0), [['onBeforeRestore', restored.snapshot]])
  const rolledBack = await writer.recovery.rollback()
  t.same(told.splice(0), [['onRolledBack', rolledBack]])
  damageDatabase(path)
  const integrity = await writer.recovery.validateDatabaseIntegrity()
  t.same(told.splice(0), [['onIntegrityFailed', integrity]])
  await t.rejects(writer.createSnapshot('b'))
  t.match(told.splice(0), [['onSnapshotFailed', { name: 'b', error: { code: 'FST_SNAPSHOT_DATABASE_DAMAGED', message: String } }]])
})

t.test('the plugin takes hooks as well', async t => {
  const told: Told = []
  const { request } = await startHost(t, noting(told))
  await request('POST', '/snapshots', { name: 'a' })
  await request('POST', '/snapshots/a/restore')
  t.same(told.map(([name]) => name), ['onSnapshotCreated', 'onBeforeRestore', 'onRestored'])
})

t.test('hooks that tell harm nothing when they fail, and are logged', async t => {
  const failing = Object.fromEntries(HOOKS.map((name, number) => [name, number % 2 === 0 ? async () => { throw new Error(`${name} is broken`) } : () => { throw new Error(`${name} is broken`) }]))
  const { path, writer, log, saved, before } = await recoverable(t, { ...failing, onBeforeRestore: () => {} })
  await writer.restoreFromSnapshot('a')
  t.same(contentOf(path), saved)
  await writer.recovery.rollback()
  t.same(contentOf(path), before)
  writeFileSync(path, 'gone')
  t.match(await writer.restoreFromSnapshot('a'), { replacement: { path } })
  damageDatabase(path)
  await writer.recovery.validateDatabaseIntegrity()
  await t.rejects(writer.createSnapshot('b'), { code: 'FST_SNAPSHOT_DATABASE_DAMAGED' })
  await until('all are logged', () => HOOKS.every(name => name === 'onBeforeRestore' || log.some(({ level, message }) => level === 'error' && message === `The hook ${name} failed: ${name} is broken`)))
})

t.test('a hook that tells and never ends holds nothing up', async t => {
  const never = async (): Promise<void> => { await new Promise(() => {}) }
  const { path, writer, before } = await recoverable(t, { onSnapshotCreated: never, onRestored: never, onRolledBack: never })
  await writer.restoreFromSnapshot('a')
  await writer.recovery.rollback()
  t.same(contentOf(path), before)
})

for (const [what, refuse] of [['throws', () => { throw new Error('the books are being closed') }], ['rejects', async () => { throw new Error('the books are being closed') }]] as const) {
  t.test(`where onBeforeRestore ${what}, neither a restore nor one of tables begins, and the database stays as it is`, async t => {
    const { path, recovery, writer, before } = await recoverable(t, { onBeforeRestore: refuse })
    for (const restore of [async (): Promise<unknown> => await writer.restoreFromSnapshot('a'), async () => await writer.restoreTables('a', ['items'])]) {
      await t.rejects(restore(), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /the hook onBeforeRestore refused it: the books are being closed; the live database is unchanged/, cause: { message: 'the books are being closed' } })
    }
    t.same(contentOf(path), before)
    t.same(readdirSync(recovery).filter(name => name !== '.database'), [])
    t.match(writer.recovery.listRestores(), [{ kind: 'tables', status: 'FAILED', preRestoreBackup: null }, { kind: 'restore', status: 'FAILED', preRestoreBackup: null }])
    t.match(await writer.getSnapshot('a'), { status: 'COMPLETED', lastRestoredAt: null })
  })
}

t.test('onBeforeRestore is waited for', async t => {
  const begun = Promise.withResolvers<void>()
  const done = Promise.withResolvers<void>()
  const { path, writer, saved, before } = await recoverable(t, { onBeforeRestore: async () => { begun.resolve(); await done.promise } })
  const restoring = writer.restoreFromSnapshot('a')
  await begun.promise
  t.ok(writer.isRestoring)
  t.same(contentOf(path), before)
  done.resolve()
  await restoring
  t.notOk(writer.isRestoring)
  t.same(contentOf(path), saved)
})

t.test('an application opens its connections again also where the file could not be replaced', async t => {
  const told: Told = []
  const { path, recovery, context, writer } = await recoverable(t, noting(told))
  writeFileSync(path, 'gone')
  context.runEngine = async (task, input, options) => {
    if (task === 'replace-file') throw new Error('the disk is gone')
    return await runEngine(task, input, options)
  }
  await t.rejects(writer.restoreFromSnapshot('a'), { message: /the disk is gone; the live database is unchanged/ })
  const [before, after] = told.filter(([name]) => name.endsWith('Replace'))
  t.match(before, ['onBeforeReplace', { path, reason: /is not a SQLite database/, quarantine: null, heldBy: [] }])
  t.match(after, ['onAfterReplace', { path, quarantine: null, heldBy: [] }])
  t.same(readdirSync(recovery).filter(name => name !== '.database'), [])
})

t.test('and where the recovery folder was taken away meanwhile', async t => {
  const told: Told = []
  const { path, recovery, writer, log } = await recoverable(t, {
    onBeforeReplace: () => {
      rmSync(recovery, { recursive: true })
      writeFileSync(recovery, '')
    },
    onAfterReplace: replacement => { told.push(['onAfterReplace', replacement]) }
  })
  writeFileSync(path, 'gone')
  await t.rejects(writer.restoreFromSnapshot('a'), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /EEXIST.*the live database is unchanged/ })
  t.match(told, [['onAfterReplace', { path, quarantine: null }]])
  t.ok(log.some(({ level, message }) => level === 'warn' && /were not removed yet/.test(message)), 'what fails afterwards does not hide why')
})

t.test('a host that was not told, or does not listen, is named, and what it writes is in the quarantine', { skip: process.platform !== 'linux' && 'Linux shows open files' }, async t => {
  const { path, writer, log, saved } = await recoverable(t)
  change(path, 'PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL')
  const host = await BackgroundScript.start<number>(t, 'hold-open', path)
  const { replacement } = await writer.restoreFromSnapshot('a')
  t.match(replacement, { reason: /page size/, heldBy: [host.child.pid] })
  t.ok(log.some(({ level, message }) => level === 'error' && /still have the old file of the database open/.test(message)))
  t.equal(await host.stop(), 52)
  t.same(contentOf(path), saved, 'the new file has nothing of it')
  t.equal(query(join(String(replacement!.quarantine), 'app.db'), "SELECT count(*) FROM items WHERE text = 'of a host that was not told'"), 1)
})

t.test('a host that listens has the new file, and what it commits stays', async t => {
  const { path, writer, saved } = await recoverable(t, {
    onBeforeReplace: () => { application.close() },
    onAfterReplace: () => { application = new Database(path) }
  })
  change(path, 'PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL')
  let application = new Database(path)
  t.teardown(() => { application.close() })
  const { replacement } = await writer.restoreFromSnapshot('a')
  t.match(replacement, { heldBy: [] })
  t.same(contentOf(path), saved)
  application.exec("INSERT INTO items (text) VALUES ('after')")
  t.equal(query(path, "SELECT count(*) FROM items WHERE text = 'after'"), 1)
})

for (const name of HOOKS) {
  t.test(`${name} must be a function`, async t => {
    await t.rejects(recoverable(t, { [name]: 'log it' }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: new RegExp(name) })
  })
}

t.test('a hook that never ends keeps a restore from beginning, and nothing else', async t => {
  const { path, writer, before } = await recoverable(t, { replaceTimeout: 50, onBeforeRestore: async () => { await new Promise(() => {}) } })
  await t.rejects(writer.restoreFromSnapshot('a'), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /onBeforeRestore refused it: it was not done after 50 ms; the live database is unchanged/ })
  t.same(contentOf(path), before)
})

t.test('nor does it keep the application from closing', async t => {
  const asked = Promise.withResolvers<void>()
  const { writer } = await recoverable(t, { onBeforeRestore: async () => { asked.resolve(); await new Promise(() => {}) } })
  const cancelled = t.rejects(writer.restoreFromSnapshot('a'), { code: 'FST_SNAPSHOT_CANCELLED' })
  await asked.promise
  await writer.close()
  await cancelled
})

t.test('where the database was removed, the application is told as well, and who has it open still is named', { skip: process.platform !== 'linux' && 'Linux shows open files' }, async t => {
  const told: Told = []
  const { path, writer, log } = await recoverable(t, noting(told))
  const host = await BackgroundScript.start<number>(t, 'hold-open', path)
  rmSync(path)
  told.length = 0
  const { replacement } = await writer.restoreFromSnapshot('a')
  t.match(replacement, { path, reason: 'there was no file', heldBy: [host.child.pid] })
  t.same(told.map(([name]) => name), ['onBeforeRestore', 'onBeforeReplace', 'onAfterReplace', 'onRestored'])
  t.ok(log.some(({ level, message }) => level === 'error' && /have the database open that was removed/.test(message)))
})
