import Database from 'better-sqlite3'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalStorage, type SnapshotWriter } from '../../src/index.ts'
import { commitsIn, isBalanced, makeBank } from '../helpers/bank.ts'
import type { JournalMode } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'
import { BackgroundScript } from '../helpers/run-script.ts'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { makeFaultyStorage } from '../helpers/s3-storages.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const emulator = await startS3Emulator(t)
const patient = { stallTimeout: 60_000, requestTimeout: 60_000 }

/** What an application does while a pack waits for its bucket: all of it would fail beside a read transaction. */
async function checkFreedom (t: Test, path: string, journalMode: JournalMode): Promise<void> {
  const script = await BackgroundScript.start<{ acknowledged: number, errors: number }>(t, 'transfer-forever', path)
  const { acknowledged, errors } = await script.stop()
  t.ok(acknowledged >= 20, 'another process commits')
  t.equal(errors, 0)
  const application = new Database(path, { timeout: 0 })
  t.equal(application.prepare('DELETE FROM commits').run().changes, acknowledged, 'a commit that does not wait succeeds at once')
  if (journalMode === 'wal') {
    t.same(application.pragma('wal_checkpoint(TRUNCATE)'), [{ busy: 0, log: 0, checkpointed: 0 }])
    t.equal(statSync(`${path}-wal`).size, 0, 'the log is cut')
  }
  application.close()
}

interface Slow { path: string, writer: SnapshotWriter, isWaiting: () => boolean, goOn: () => void }

/** A bank whose packs wait on their way to a bucket. */
async function setUp (t: Test, journalMode: JournalMode, isSecond: boolean): Promise<Slow> {
  const path = join(testFolder(t), 'app.db')
  makeBank(path, { journalMode })
  const { proxy, storage } = await makeFaultyStorage(t, emulator, patient)
  const until = Promise.withResolvers<void>()
  let isWaiting = false
  proxy.decide = ({ method, url }) => {
    if (method !== 'PUT' || !url.includes('/packs/')) return undefined
    isWaiting = true
    return { until: until.promise }
  }
  const writer = writerFor(t, path, { storage: isSecond ? [new LocalStorage(join(t.testdirName, 'backups')), storage] : storage })
  return { path, writer, isWaiting: () => isWaiting, goOn: until.resolve }
}

async function checkSnapshot (t: Test, writer: SnapshotWriter): Promise<void> {
  const file = join(t.testdirName, 'restored.db')
  await writer.restoreToFile('slow', file)
  t.equal(commitsIn(file).size, 0, 'the snapshot is of the moment before')
  t.ok(isBalanced(file))
}

for (const journalMode of ['wal', 'delete'] as const) {
  t.test(`a bucket that does not take the pack of a new snapshot holds up no writer, in ${journalMode} mode`, async t => {
    const { path, writer, isWaiting, goOn } = await setUp(t, journalMode, false)
    let isOver = false
    const creation = writer.createSnapshot('slow').finally(() => { isOver = true })
    await waitUntil('the pack is on its way', isWaiting)
    await checkFreedom(t, path, journalMode)
    t.notOk(isOver, 'while the creation still waits')
    goOn()
    t.match(await creation, { status: 'COMPLETED' })
    await checkSnapshot(t, writer)
  })

  t.test(`nor does one that does not take a copy in the background, in ${journalMode} mode`, async t => {
    const { path, writer, isWaiting, goOn } = await setUp(t, journalMode, true)
    const copies = async (): Promise<string[]> => (await writer.getSnapshot('slow')).replicas.map(({ state }) => state)
    await writer.createSnapshot('slow')
    await waitUntil('the pack is on its way', isWaiting)
    await checkFreedom(t, path, journalMode)
    t.same(await copies(), ['STORED', 'PENDING'], 'while the copy still waits')
    goOn()
    await waitUntil('the copy is there', async () => (await copies()).every(state => state === 'STORED'))
    await checkSnapshot(t, writer)
  })
}
