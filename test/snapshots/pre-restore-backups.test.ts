import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { restores } from '../../src/catalog/schema.ts'
import type { SnapshotWriter } from '../../src/index.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { change, openWriter, recoverable, type Recoverable } from '../helpers/recoverable.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** Gives a backup the age that it has by its times. */
function age (path: string, days: number): void {
  const then = new Date(Date.now() - days * DAY_MS)
  utimesSync(path, then, then)
}

/** Backups of all kinds, some of each. */
async function withBackups (recoverable: Recoverable, times: number): Promise<void> {
  const { writer } = recoverable
  for (let time = 0; time < times; time++) {
    await writer.restoreFromSnapshot('a')
    await writer.recovery.rollback()
    await writer.recovery.emergencyDatabaseReset()
  }
}

const latestOf = (recovery: string): string => realpathSync(join(recovery, 'pre_restore_latest.db'))

t.test('without any restore there are none', async t => {
  const { recovery, writer } = await recoverable(t)
  t.same(writer.recovery.listPreRestoreBackups(), [])
  rmSync(recovery, { recursive: true })
  t.same(writer.recovery.listPreRestoreBackups(), [], 'also where the folder is gone')
})

t.test('restores, rollbacks and resets are listed, the newest first, with what they were made by', async t => {
  const setUp = await recoverable(t)
  const { recovery, writer } = setUp
  await withBackups(setUp, 1)
  const backups = writer.recovery.listPreRestoreBackups()
  t.match(backups, [{ kind: 'pre_reset' }, { kind: 'pre_rollback' }, { kind: 'pre_restore' }])
  t.same(backups.map(({ snapshot }) => snapshot), ['a', null, 'a'], 'a rollback is of no snapshot')
  t.same(backups.map(({ restoreId }) => restoreId), writer.recovery.listRestores().map(({ id }) => id))
  for (const { name, path, size, createdAt } of backups) {
    t.equal(path, join(recovery, `${name}.db`))
    t.ok(size > 0)
    t.match(createdAt, /^\d{4}-.*Z$/)
  }
  t.equal(latestOf(recovery), backups[2]!.path)
})

t.test('only backups are listed, by whomever they were made', async t => {
  const { recovery, writer } = await recoverable(t)
  await writer.restoreFromSnapshot('a')
  for (const name of ['other.db', 'pre_restore_today.db', 'pre_restore_20200101T000000Z.db-wal', 'pre_restore_20200101T000000Z.sqlite', '.pre_restore_20200101T000000Z.x.partial']) writeFileSync(join(recovery, name), 'x')
  mkdirSync(join(recovery, 'pre_restore_20200102T000000Z.db'))
  symlinkSync('nowhere', join(recovery, 'pre_restore_20200103T000000Z.db'))
  makeDatabase(join(recovery, 'pre_restore_20200104T000000Z.db'), { journalMode: 'delete' }).close()
  age(join(recovery, 'pre_restore_20200104T000000Z.db'), 1)
  t.match(writer.recovery.listPreRestoreBackups(), [{ snapshot: 'a' }, { name: 'pre_restore_20200104T000000Z', snapshot: null, restoreId: null }])
  t.equal(writer.recovery.listPreRestoreBackups().length, 2)
})

t.test('beyond a number of each kind the oldest are removed, with their checksums', async t => {
  const setUp = await recoverable(t, { preRestoreBackups: { keepLast: 2 } })
  const { recovery, writer } = setUp
  await withBackups(setUp, 3)
  const kinds = writer.recovery.listPreRestoreBackups().map(({ kind }) => kind)
  t.same(kinds.toSorted(), ['pre_reset', 'pre_reset', 'pre_restore', 'pre_restore', 'pre_rollback', 'pre_rollback'])
  const kept = writer.recovery.listPreRestoreBackups().map(({ name }) => name)
  t.same(readdirSync(recovery).filter(name => name.endsWith('.sha256')).map(name => name.replace('.db.sha256', '')).sort(), kept.toSorted())
  t.ok(kept.includes(writer.recovery.listRestores()[0]!.preRestoreBackup!.slice(recovery.length + 1, -'.db'.length)), 'the newest is one of them')
})

t.test('the too old are removed, but for the newest of each kind', async t => {
  const setUp = await recoverable(t, { preRestoreBackups: { maxAge: 30 * DAY_MS } })
  const { recovery, writer } = setUp
  await withBackups(setUp, 2)
  for (const [number, { path }] of writer.recovery.listPreRestoreBackups().slice(1).entries()) age(path, 31 + number)
  const [, rollback] = writer.recovery.listPreRestoreBackups()
  await writer.recovery.rollback()
  t.same(writer.recovery.listPreRestoreBackups().map(({ kind }) => kind), ['pre_rollback', 'pre_reset', 'pre_restore'])
  t.notOk(existsSync(rollback!.path))
  t.ok(existsSync(latestOf(recovery)))
})

t.test('where the clock was ahead, what was just made is not taken for old, and the link keeps naming a backup', async t => {
  const { recovery, writer } = await recoverable(t, { preRestoreBackups: { keepLast: 1 } })
  const made: string[] = []
  const isKept = (): void => {
    t.ok(existsSync(made.at(-1)!), 'what was just made is there')
    t.ok(existsSync(latestOf(recovery)))
  }
  for (let time = 0; time < 2; time++) {
    made.push(String((await writer.restoreFromSnapshot('a')).preRestoreBackup))
    isKept()
    age(made.at(-1)!, -2)
    made.push(String((await writer.recovery.rollback()).safetyCopy))
    isKept()
    age(made.at(-1)!, -2)
    const { restoreId } = await writer.recovery.emergencyDatabaseReset()
    made.push(String(writer.recovery.listRestores().find(({ id }) => id === restoreId)?.preRestoreBackup))
    isKept()
    age(made.at(-1)!, -2)
  }
  const { preRestoreBackup } = await writer.restoreTables('a', ['items'])
  made.push(preRestoreBackup)
  isKept()
  t.equal(latestOf(recovery), preRestoreBackup)
})

t.test('where the clock was ahead for one restore, none is taken for old', async t => {
  const { writer } = await recoverable(t)
  for (let time = 0; time < 4; time++) await writer.restoreFromSnapshot('a')
  const backups = writer.recovery.listPreRestoreBackups()
  for (const { path } of backups) age(path, 60) // they were made just now, by a clock that is right
  await writer.restoreFromSnapshot('a')
  t.equal(writer.recovery.listPreRestoreBackups().length, 5)
})

t.test('where the clock was set back, a rollback goes to the last restore, and so does recovery', async t => {
  for (const back of [
    async ({ recovery }: SnapshotWriter) => await recovery.rollback(),
    async ({ recovery }: SnapshotWriter) => await recovery.rollback({ backup: 'pre_restore_latest' }),
    async ({ recovery }: SnapshotWriter) => await recovery.recoverFromFailedRestore('a')
  ]) {
    const { path, context, writer } = await recoverable(t)
    const first = await writer.restoreFromSnapshot('a')
    age(String(first.preRestoreBackup), -2)
    const ahead = new Date(Date.now() + 2 * DAY_MS).toISOString()
    context.catalog.write(database => database.update(restores).set({ requestedAt: ahead }).run())
    change(path, 'DELETE FROM items WHERE id > 10')
    const before = contentOf(path)
    const second = await writer.restoreFromSnapshot('a')
    t.same(writer.recovery.listRestores().map(({ id }) => id), [second.restoreId, first.restoreId], 'they are listed as they were made')
    t.match(await back(writer), { backup: second.preRestoreBackup })
    t.same(contentOf(path), before)
  }
})

t.test('where the link names nothing, the newest by its time is taken', async t => {
  const { recovery, writer } = await recoverable(t)
  const { preRestoreBackup } = await writer.restoreFromSnapshot('a')
  for (const lose of [() => { rmSync(join(recovery, 'pre_restore_latest.db')) }, () => { symlinkSync('gone.db', join(recovery, 'pre_restore_latest.db')) }]) {
    lose()
    t.match(await writer.recovery.rollback(), { backup: preRestoreBackup })
  }
})

t.test('one that cannot be removed is logged, and keeps nothing from happening', async t => {
  const { recovery, writer, log } = await recoverable(t, { preRestoreBackups: { keepLast: 1 } })
  const { preRestoreBackup } = await writer.restoreFromSnapshot('a')
  rmSync(`${String(preRestoreBackup)}.sha256`)
  mkdirSync(`${String(preRestoreBackup)}.sha256`)
  t.match(await writer.restoreFromSnapshot('a'), { status: 'SUCCESS' })
  t.match(log.filter(({ level }) => level === 'warn'), [{ message: /An old pre-restore backup could not be removed: / }])
  t.ok(existsSync(latestOf(recovery)))
})

t.test('how many are kept, and for how long, is checked', async t => {
  const path = join(testFolder(t), 'app.db')
  for (const [preRestoreBackups, message] of [[{ keepLast: 0 }, /"preRestoreBackups.keepLast": it must be a whole number of at least 1/], [{ maxAge: 0 }, /"preRestoreBackups.maxAge": it must be a whole number of milliseconds/], [{ maxAge: 1.5 }, /maxAge/], [{ keep: 1 }, /"preRestoreBackups.keep": it is not known; known are keepLast, maxAge/], [3, /preRestoreBackups/]] as const) {
    t.throws(() => openWriter(t, path, { preRestoreBackups: preRestoreBackups as never }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message })
  }
  t.throws(() => openWriter(t, path, { replaceTimeout: -1 }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"replaceTimeout": it must be a whole number of milliseconds/ })
})
