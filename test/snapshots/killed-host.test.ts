import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { contentOf, integrityOf, makeDatabase, addRows, type JournalMode } from '../helpers/databases.ts'
import { filesIn } from '../helpers/damage.ts'
import { testFolder } from '../helpers/folder.ts'
import { enginesOf, isAlive, until } from '../helpers/processes.ts'
import { builtWriterFor } from '../helpers/built.ts'
import { BackgroundScript } from '../helpers/run-script.ts'

const KILLS = 4

/** Kills a host that is at work, at some moment, and returns when its last engine is gone. */
async function killHost (t: Test, path: string, operation: 'create' | 'restore', afterMs: number): Promise<void> {
  const host = await BackgroundScript.start(t, 'operate-forever', path, operation)
  await sleep(afterMs)
  await until('an engine is at work', () => enginesOf(host.child.pid as number).length > 0)
  const engines = enginesOf(host.child.pid as number)
  host.child.kill('SIGKILL')
  await until('the engines have died with their host', () => !engines.some(isAlive))
}

for (const journalMode of ['wal', 'delete'] as JournalMode[]) {
  t.test(`a host killed in a restore leaves the old or the new content, and nobody changes it afterwards, journal mode ${journalMode}`, async t => {
    const path = join(testFolder(t), 'app.db')
    const database = makeDatabase(path, { journalMode, rows: 10 })
    const writer = builtWriterFor(t, path)
    await writer.createSnapshot('small')
    const small = contentOf(path)
    addRows(database, 40_000)
    database.close()
    await writer.createSnapshot('large')
    const large = contentOf(path)

    for (let kill = 0; kill < KILLS; kill++) {
      await killHost(t, path, 'restore', kill * 37)
      const content = contentOf(path)
      t.ok([small, large].some(known => JSON.stringify(known) === JSON.stringify(content)), 'the content is one of the two')
      t.equal(integrityOf(path), 'ok')
      await sleep(200)
      t.same(contentOf(path), content, 'it stays that')
    }

    await writer.settle()
    t.same(readdirSync(join(path, '..', 'recovery')).filter(file => file.includes('partial')), [], 'no partial backup is left')
    t.same(existsSync(join(path, '..', 'backups', '.tmp', 'app')) ? readdirSync(join(path, '..', 'backups', '.tmp', 'app')) : [], [], 'no temporary file is left')
    t.match(await writer.restoreFromSnapshot('small'), { status: 'SUCCESS' })
    t.same(contentOf(path), small)
  })
}

t.test('a host killed in a creation leaves no half snapshot: what is COMPLETED can be restored, the rest is FAILED and gone', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path, { rows: 20_000 }).close()
  const content = contentOf(path)
  for (let kill = 0; kill < KILLS; kill++) await killHost(t, path, 'create', kill * 41)

  const writer = builtWriterFor(t, path)
  await writer.settle()
  const { snapshots } = await writer.listSnapshots({ limit: 1000 })
  const completed = snapshots.filter(({ status }) => status === 'COMPLETED')
  t.ok(completed.length > 0)
  for (const { status, error } of snapshots.filter(snapshot => !completed.includes(snapshot))) t.match({ status, error }, { status: 'FAILED', error: { code: 'FST_SNAPSHOT_INTERRUPTED' } })
  const stored = filesIn(join(path, '..', 'backups', 'app'))
  const manifests = stored.filter(file => file.endsWith('.json')).map(file => readFileSync(file, 'utf8')).join()
  t.equal(stored.filter(file => file.endsWith('.json')).length, completed.length, 'each has a manifest')
  const unnamed = stored.filter(file => file.endsWith('data.zst') && !manifests.includes(basename(dirname(file))))
  t.ok(unnamed.length <= 1, 'no pack is there that none of them needs, but for one that the next snapshot need not store again')
  t.same(filesIn(join(path, '..', 'backups')).filter(file => !stored.includes(file)), [], 'and there is nothing else')
  for (const { name } of completed.slice(0, 5)) t.match(await writer.verifySnapshot(name), { isHealthy: true })
  await writer.restoreFromSnapshot('latest')
  t.same(contentOf(path), content)
})
