import Database from 'better-sqlite3'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { commitsIn, isBalanced, makeBank, query } from '../helpers/bank.ts'
import { integrityOf } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'
import { BackgroundScript } from '../helpers/run-script.ts'

interface WriterReport { acknowledged: number, errors: number }
interface ReaderReport { reads: number, errors: string[], wrong: number, markers: number[] }

/** Every commit that the writer was told of is in one of the two files. */
function checkNothingLost (t: Test, acknowledged: number, ...paths: string[]): void {
  const found = paths.map(commitsIn)
  let lost = 0
  for (let number = 1; number <= acknowledged; number++) {
    if (!found.some(commits => commits.has(number))) lost++
  }
  t.equal(lost, 0, `no acknowledged commit of ${acknowledged} is lost`)
}

t.test('a restore beside readers and a writer in WAL mode loses no commit and disturbs no reader', async t => {
  const path = join(testFolder(t), 'app.db')
  makeBank(path, { rows: 60_000 })
  const writer = writerFor(t, path)
  await writer.createSnapshot('before')
  new Database(path).exec('INSERT INTO marker VALUES (1)').close()

  const reader = await BackgroundScript.start<ReaderReport>(t, 'read-forever', path)
  const bank = await BackgroundScript.start<WriterReport>(t, 'transfer-forever', path)
  let peak = 0
  let wasCut = false
  const watch = setInterval(() => {
    const { size } = statSync(`${path}-wal`)
    peak = Math.max(peak, size)
    wasCut ||= size < peak / 4
  }, 1)
  const { preRestoreBackup } = await writer.restoreFromSnapshot('before')
  clearInterval(watch)
  t.ok(wasCut, 'the log is small again, until the writer has filled it anew')
  const { acknowledged, errors } = await bank.stop()
  const seen = await reader.stop()

  t.equal(errors, 0, 'the writer, with a busy timeout, saw no error')
  t.same(seen.errors, [], 'the reader, without one, saw no error')
  t.equal(seen.wrong, 0, 'the reader always saw one consistent moment')
  t.same(seen.markers, [1, 0], 'the open reader saw the old content, then the new')
  checkNothingLost(t, acknowledged, path, String(preRestoreBackup))
  t.ok(commitsIn(String(preRestoreBackup)).size > 0, 'the writer was at work before the restore')
  for (const file of [path, String(preRestoreBackup)]) {
    t.ok(isBalanced(file))
    t.equal(integrityOf(file), 'ok')
  }
  t.equal(query(String(preRestoreBackup), 'SELECT count(*) FROM marker'), 1, 'the pre-restore backup has the old content')
})

t.test('a restore in DELETE mode is not starved by overlapping readers, and loses no commit', async t => {
  const path = join(testFolder(t), 'app.db')
  makeBank(path, { rows: 20_000, journalMode: 'delete' })
  const writer = writerFor(t, path)
  await writer.createSnapshot('before')
  const readers = await Promise.all([1, 2, 3, 4].map(async () => await BackgroundScript.start<ReaderReport>(t, 'read-forever', path, '60000')))
  const bank = await BackgroundScript.start<WriterReport>(t, 'transfer-forever', path, '5')
  const { preRestoreBackup } = await writer.restoreFromSnapshot('before')
  const { acknowledged, errors } = await bank.stop()
  for (const reader of readers) {
    const { errors, wrong, reads } = await reader.stop()
    t.same({ errors, wrong }, { errors: [], wrong: 0 })
    t.ok(reads > 0)
  }
  t.equal(errors, 0)
  checkNothingLost(t, acknowledged, path, String(preRestoreBackup))
  t.ok(isBalanced(path))
  t.equal(integrityOf(path), 'ok')
  t.equal(integrityOf(String(preRestoreBackup)), 'ok')
})

t.test('a reader that does not end does not hold up a restore, and goes on seeing the old content', async t => {
  const path = join(testFolder(t), 'app.db')
  makeBank(path)
  const writer = writerFor(t, path)
  await writer.createSnapshot('before')
  new Database(path).exec('INSERT INTO marker VALUES (1)').close()
  const reader = new Database(path)
  t.teardown(() => { reader.close() })
  reader.exec('BEGIN')
  const markers = reader.prepare('SELECT count(*) FROM marker').pluck()
  t.equal(markers.get(), 1)
  t.match(await writer.restoreFromSnapshot('before'), { status: 'SUCCESS' })
  t.equal(markers.get(), 1)
  reader.exec('COMMIT')
  t.equal(markers.get(), 0)
})
