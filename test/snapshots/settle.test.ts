import Database from 'better-sqlite3'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { LocalStorage, type SnapshotWriter } from '../../src/index.ts'
import { LockFile } from '../../src/lock-file.ts'
import { filesIn } from '../helpers/damage.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'

/** A snapshot whose row says that its creation is still under way, as if the process had been killed just then. */
async function interruptedCreation (t: Test): Promise<{ writer: SnapshotWriter, id: string, backups: string, path: string }> {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const first = writerFor(t, path)
  const { id } = await first.createSnapshot('interrupted', { labels: { a: 'b' } })
  await first.close()
  const backups = join(folder, 'backups')
  change(backups, "UPDATE snapshots SET status = 'CREATING', completedAt = NULL, checksum = NULL, size = NULL, storedSize = NULL, replicas = '[]'")
  return { writer: writerFor(t, path), id, backups, path }
}

function change (backups: string, sql: string): void {
  new Database(join(backups, 'catalog.db')).exec(sql).close()
}

t.test('a creation whose manifest and pack are stored had happened', async t => {
  const { writer } = await interruptedCreation(t)
  await writer.settle()
  t.match(await writer.getSnapshot('interrupted'), { status: 'COMPLETED', size: Number, storedSize: Number, checksum: String, replicas: [{ state: 'STORED' }] })
  await writer.restoreFromSnapshot('interrupted')
})

for (const [what, spoil] of Object.entries({
  'no manifest': (backups: string, id: string) => { rmSync(join(backups, 'app', 'snapshots', `${id}.json`)) },
  'a damaged manifest': (backups: string, id: string) => { writeFileSync(join(backups, 'app', 'snapshots', `${id}.json`), '{') },
  'no pack': (backups: string, id: string) => { rmSync(join(backups, 'app', 'packs', id), { recursive: true }) },
  'a part of its pack': (backups: string, id: string) => { writeFileSync(join(backups, 'app', 'packs', id, 'data.zst'), 'short') }
})) {
  t.test(`a creation with ${what} stored is undone, and its name is free again`, async t => {
    const { writer, backups, id } = await interruptedCreation(t)
    spoil(backups, id)
    await writer.createSnapshot('interrupted')
    t.match(await writer.getSnapshot(id), { status: 'FAILED', error: { code: 'FST_SNAPSHOT_INTERRUPTED' } })
    const [manifest, ...packs] = filesIn(backups).toReversed()
    t.same(packs.map(file => basename(dirname(file))).sort(), JSON.parse(readFileSync(manifest!, 'utf8').split('\n')[0]!).packs.map(({ id }: { id: string }) => id).sort(), 'only the new one is stored')
  })
}

t.test('an interrupted creation of an unchanged database had happened too, with no pack of its own', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const first = writerFor(t, path)
  await sleep(2200)
  await first.createSnapshot('full')
  const { id } = await first.createSnapshot('same')
  await first.close()
  change(join(t.testdirName, 'backups'), `UPDATE snapshots SET status = 'CREATING', replicas = '[]' WHERE id = '${id}'; DELETE FROM snapshotPacks WHERE snapshotId = '${id}'`)
  const writer = writerFor(t, path)
  await writer.settle()
  t.match(await writer.getSnapshot('same'), { status: 'COMPLETED', storedSize: 0 })
  await writer.deleteSnapshot('full')
  t.match(await writer.verifySnapshot('same'), { isHealthy: true }, 'what it shares is kept')
})

t.test('a creation is not undone while its storage cannot be asked', async t => {
  const { writer, path, backups, id } = await interruptedCreation(t)
  class UnreachableStorage extends LocalStorage {
    override async get (): Promise<never> { throw Object.assign(new Error('unreachable'), { code: 'FST_SNAPSHOT_STORAGE_FAILED' }) }
  }
  const unreachable = writerFor(t, path, { storage: new UnreachableStorage(backups) })
  await t.rejects(unreachable.settle(), { code: 'FST_SNAPSHOT_STORAGE_FAILED' })
  t.match(await writer.getSnapshot(id), { status: 'CREATING' })
})

t.test('a deletion that was interrupted is finished', async t => {
  const { writer, backups } = await interruptedCreation(t)
  change(backups, "UPDATE snapshots SET status = 'COMPLETED', deletedAt = '2026-01-01T00:00:00.000Z', replicas = '[{\"storage\":\"local\",\"state\":\"STORED\"}]'")
  await writer.settle()
  t.same(filesIn(backups), [])
})

t.test('what a killed process left in temporary files is swept', async t => {
  const { writer, backups } = await interruptedCreation(t)
  const recovery = join(backups, '..', 'recovery')
  mkdirSync(join(backups, '.tmp', 'app'), { recursive: true })
  writeFileSync(join(backups, '.tmp', 'app', 'staged.db'), 'x')
  writeFileSync(join(backups, 'app', 'snapshots', '.01234567-89ab-4cde-8f01-23456789abcd.partial'), 'x')
  writeFileSync(join(recovery, '.pre_restore_20260101T000000Z.partial'), 'x')
  writeFileSync(join(recovery, 'pre_restore_20260101T000000Z.db'), 'x')
  await writer.settle()
  t.equal(filesIn(backups).length, 3, 'pack, manifest and marks')
  t.same(filesIn(recovery), [join(recovery, 'pre_restore_20260101T000000Z.db')], 'a complete backup stays')
})

t.test('what may be a copy that another process is making is not swept', async t => {
  const { writer, backups, path } = await interruptedCreation(t)
  const partial = join(backups, 'app', 'snapshots', '.01234567-89ab-4cde-8f01-23456789abcd.partial')
  writeFileSync(partial, 'x')
  const copying = LockFile.takeBlocking(join(backups, '.locks', 'app.local.replica.lock'), 0) as LockFile
  await writer.settle()
  t.ok(existsSync(partial))
  copying.release()
  await writerFor(t, path).settle()
  t.notOk(existsSync(partial), 'the next start sweeps it')
})

for (const [applied, intent, message] of [['nothing', null, /nothing was applied/], ['perhaps something', '{"backup":"/recovery/pre_restore_x.db"}', /the old one is in \/recovery\/pre_restore_x.db/]] as const) {
  t.test(`a restore that was interrupted when ${applied} was applied is settled as failed, and says so`, async t => {
    const { writer, backups } = await interruptedCreation(t)
    change(backups, "INSERT INTO restores (id, database, snapshotId, snapshotName, status, requestedAt) VALUES ('r', 'app', 's', 'interrupted', 'BACKED_UP', '2026-01-01T00:00:00.000Z')")
    const recovery = join(backups, '..', 'recovery')
    if (intent !== null) writeFileSync(join(recovery, '.r.intent'), intent)
    await writer.settle()
    const database = new Database(join(backups, 'catalog.db'))
    const row = database.prepare('SELECT status, error FROM restores').get() as { status: string, error: string }
    database.close()
    t.equal(row.status, 'FAILED')
    t.same(filesIn(recovery), [])
    t.match(JSON.parse(row.error), { code: 'FST_SNAPSHOT_INTERRUPTED', message })
  })
}

t.test('a recovery folder that was removed keeps nothing from being settled', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const writer = writerFor(t, path)
  rmSync(join(path, '..', 'recovery'), { recursive: true })
  await writer.settle()
  t.match(await writer.createSnapshot('one'), { status: 'COMPLETED' })
})
