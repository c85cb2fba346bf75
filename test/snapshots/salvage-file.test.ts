import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SnapshotWriter } from '../../src/index.ts'
import { damageDatabase } from '../helpers/damage.ts'
import { contentOf, integrityOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'

function setUp (t: Test): { path: string, recovery: string, writer: SnapshotWriter } {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path, { rows: 3000 }).close()
  return { path, recovery: join(t.testdirName, 'recovery'), writer: writerFor(t, path) }
}

t.test('what can be read of the live database is saved beside the backups, and the database stays as it is', async t => {
  const { path, recovery, writer } = setUp(t)
  damageDatabase(path)
  const result = await writer.recovery.salvage(path)
  t.match(result.path, new RegExp(`^${recovery}/salvaged_\\d{8}T\\d{6}Z\\.db$`))
  t.match(result, { isComplete: true, integrity: { isHealthy: true }, tables: [{ name: 'items' }] })
  t.ok(result.tables[0]!.rows > 0 && result.tables[0]!.rows < 3000, `${result.tables[0]!.rows} rows`)
  t.equal(integrityOf(result.path), 'ok')
  t.same(readdirSync(recovery).filter(file => file.includes('.source')), [], 'nothing else is left')
  t.not((await writer.recovery.validateDatabaseIntegrity()).isHealthy, true)
})

t.test('of a sound database everything is saved, also where its path is a link, to any place', async t => {
  const { path, writer } = setUp(t)
  const content = contentOf(path)
  const link = join(path, '..', 'link.db')
  symlinkSync(path, link)
  for (const [index, file] of [path, link].entries()) {
    const destination = join(t.testdirName, 'some', 'place', `${index}.db`)
    t.match(await writer.recovery.salvage(file, { destination, timeLimit: 60_000 }), { path: destination, lostAndFound: null })
    t.same(contentOf(destination), content)
  }
})

t.test('a file of somebody else is only read', async t => {
  const { path, writer } = setUp(t)
  const other = join(path, '..', 'other.db')
  makeDatabase(other, { rows: 10 }).close()
  t.match(await writer.recovery.salvage(other), { tables: [{ name: 'items', rows: 10 }] })
})

t.test('what is missing, empty or in the way is told of, and nothing is left', async t => {
  const { path, recovery, writer } = setUp(t)
  await t.rejects(writer.recovery.salvage(join(path, '..', 'missing.db')), { code: 'FST_SNAPSHOT_DATABASE_MISSING' })
  await t.rejects(writer.recovery.salvage(path, { destination: path }), { code: 'FST_SNAPSHOT_DESTINATION_TAKEN' })
  const taken = join(path, '..', 'taken.db')
  writeFileSync(`${taken}-wal`, '')
  await t.rejects(writer.recovery.salvage(path, { destination: taken }), { code: 'FST_SNAPSHOT_DESTINATION_TAKEN' })
  const empty = join(path, '..', 'empty.db')
  writeFileSync(empty, '')
  await t.rejects(writer.recovery.salvage(empty), { code: 'FST_SNAPSHOT_NOT_A_DATABASE' })
  for (const options of [{ timeLimit: 0 }, { place: 'x' }]) await t.rejects(writer.recovery.salvage(path, options as never), { code: 'FST_SNAPSHOT_INVALID_REQUEST' })
  await t.rejects(writer.recovery.salvage(3 as never), { code: 'FST_SNAPSHOT_INVALID_REQUEST' })
  mkdirSync(recovery, { recursive: true })
  t.same(readdirSync(recovery).filter(file => file.includes('salvaged')), [])
})
