import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t, { type Test } from 'tap'
import type { Snapshot, SnapshotWriter } from '../../src/index.ts'
import { damageDatabase, flipBit } from '../helpers/damage.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { packsOf } from '../helpers/packs.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'
import { sha256OfFile, writerFor } from '../helpers/round-trip.ts'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.ts'

interface Prepared { writer: SnapshotWriter, path: string, folder: string, snapshot: Snapshot, content: Record<string, string> }

/** A snapshot of a database that has changed since. */
async function prepare (t: Test, options: { isRemote?: boolean, journalMode?: 'wal' | 'delete' } = {}): Promise<Prepared> {
  const folder = testFolder(t, { out: {} })
  const path = join(folder, 'app.db')
  const database = makeDatabase(path, { rows: 12_000, journalMode: options.journalMode ?? 'wal' })
  t.teardown(() => { database.close() })
  const writer = writerFor(t, path, options.isRemote === true ? { storage: new RemoteStorage(join(folder, 'backups')) } : {})
  const snapshot = await writer.createSnapshot('first')
  const content = contentOf(path)
  database.exec('DELETE FROM items WHERE id > 10')
  return { writer, path, folder, snapshot, content }
}

for (const options of [{}, { isRemote: true }, { journalMode: 'delete' as const }]) {
  t.test(`a snapshot becomes a database file of its own, in folders made for it, and the live one is not touched (${JSON.stringify(options)})`, async t => {
    const { writer, path, folder, snapshot, content } = await prepare(t, options)
    const live = contentOf(path)
    const file = join(folder, 'out', 'new', 'deep', 'restored.db')
    t.match(await writer.restoreToFile('first', relative(process.cwd(), file)), { snapshot: { name: 'first', status: 'COMPLETED' }, path: file, durationMs: Number })
    t.same(readdirSync(join(file, '..')), ['restored.db'], 'nothing is beside it')
    t.equal(sha256OfFile(file), snapshot.checksum)
    t.equal(statSync(file).mode & 0o777, 0o600)
    t.same(contentOf(file), content)
    t.same(contentOf(path), live)
  })
}

for (const suffix of ['', '-wal', '-shm', '-journal']) {
  t.test(`what is at the path${suffix === '' ? '' : ` with ${suffix}`}, a dangling link included, stays as it is`, async t => {
    const { writer, folder } = await prepare(t)
    const file = join(folder, 'out', 'restored.db')
    const refused = { code: 'FST_SNAPSHOT_DESTINATION_TAKEN', statusCode: 409, message: new RegExp(`already something at .*restored.db${suffix};`) }
    symlinkSync('nowhere', file + suffix)
    await t.rejects(writer.restoreToFile('first', file), refused)
    rmSync(file + suffix)
    writeFileSync(file + suffix, 'precious')
    await t.rejects(writer.restoreToFile('first', file), refused)
    t.equal(readFileSync(file + suffix, 'utf8'), 'precious')
    t.same(readdirSync(join(folder, 'out')), [`restored.db${suffix}`])
  })
}

t.test('what comes to the path meanwhile is not replaced', async t => {
  const { writer, folder } = await prepare(t, { isRemote: true })
  const file = join(folder, 'out', 'restored.db')
  const { get } = RemoteStorage.prototype
  t.teardown(() => { RemoteStorage.prototype.get = get })
  for (const suffix of ['', '-wal']) {
    RemoteStorage.prototype.get = async function (...args) {
      if (args[0].includes('/packs/')) writeFileSync(file + suffix, 'precious')
      return await get.apply(this, args)
    }
    await t.rejects(writer.restoreToFile('first', file), { code: 'FST_SNAPSHOT_DESTINATION_TAKEN' })
    t.same(readdirSync(join(folder, 'out')), [`restored.db${suffix}`])
    t.equal(readFileSync(file + suffix, 'utf8'), 'precious')
    rmSync(file + suffix)
  }
})

t.test('of a damaged snapshot nothing is left', async t => {
  const { writer, folder } = await prepare(t)
  for (const pack of packsOf(folder)) flipBit(pack, 0.5)
  await t.rejects(writer.restoreToFile('first', join(folder, 'out', 'restored.db')), { code: 'FST_SNAPSHOT_DAMAGED' })
  t.same(readdirSync(join(folder, 'out')), [])
})

t.test('evidence of a damaged database is had only by asking for it', async t => {
  const path = join(testFolder(t, { out: {} }), 'app.db')
  makeDatabase(path, { rows: 5000, journalMode: 'delete' }).close()
  damageDatabase(path)
  const writer = writerFor(t, path, { allowDamaged: true })
  await writer.createSnapshot('evidence')
  const file = join(t.testdirName, 'out', 'restored.db')
  await t.rejects(writer.restoreToFile('evidence', file), { code: 'FST_SNAPSHOT_NOT_RESTORABLE' })
  await writer.restoreToFile('evidence', file, { allowDamaged: true })
  t.ok(readFileSync(file).equals(readFileSync(path)))
})

t.test('a snapshot that was not checked when it was made is checked before it is a file', async t => {
  const path = join(testFolder(t, { out: {} }), 'app.db')
  makeDatabase(path, { rows: 5000, journalMode: 'delete' }).close()
  const writer = writerFor(t, path, { integrityCheckMaxAge: 1_000_000 })
  await writer.recovery.validateDatabaseIntegrity()
  damageDatabase(path)
  t.match(await writer.createSnapshot('unchecked'), { integrity: 'unchecked' })
  await t.rejects(writer.restoreToFile('unchecked', join(t.testdirName, 'out', 'restored.db')), { code: 'FST_SNAPSHOT_DAMAGED' })
  t.same(readdirSync(join(t.testdirName, 'out')), [])
})

t.test('wrong arguments are refused by name', async t => {
  const { writer, folder } = await prepare(t)
  for (const path of ['', 'a\0b', 7, undefined]) await t.rejects(writer.restoreToFile('first', path as string), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /path: it must be the path of a file/ })
  await t.rejects(writer.restoreToFile('first', join(folder, 'x'), { allowDamage: true } as object), { code: 'FST_SNAPSHOT_INVALID_REQUEST' })
  await t.rejects(writer.restoreToFile('unknown', join(folder, 'x')), { code: 'FST_SNAPSHOT_NOT_FOUND' })
})

t.test('what else goes wrong with the destination is a failed restore that names it', async t => {
  const { writer, path } = await prepare(t)
  await t.rejects(writer.restoreToFile('first', join(path, 'inside', 'a.db')), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /ENOTDIR/, cause: { code: 'ENOTDIR' } })
})

t.test('where there is no room, nothing is begun', { skip: noSmallDisk }, async t => {
  const { writer } = await prepare(t)
  const disk = mountSmallDisk(t, 1)
  await t.rejects(writer.restoreToFile('first', join(disk, 'restored.db')), { code: 'FST_SNAPSHOT_NO_ROOM', message: /for the database file/ })
  t.same(readdirSync(disk), [])
})
