import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { SnapshotWriter, type SnapshotOptions } from '../../src/index.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'

t.test('two databases cannot have one name in one snapshot folder', async t => {
  const folder = testFolder(t, { shop: {}, bank: {} })
  const [shop, bank] = [join(folder, 'shop', 'dev.db'), join(folder, 'bank', 'dev.db')]
  for (const path of [shop, bank]) makeDatabase(path).close()
  const snapshotDir = join(folder, 'backups')
  writerFor(t, shop, { snapshotDir })
  t.throws(() => new SnapshotWriter({ database: bank, snapshotDir }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: new RegExp(`"databaseName".*belongs to ${shop}.*another name`) })
  await writerFor(t, bank, { snapshotDir, databaseName: 'bank' }).createSnapshot()
})

t.test('two databases in one folder keep their pre-restore backups apart', async t => {
  const folder = testFolder(t)
  const writers = ['a', 'b'].map(name => {
    makeDatabase(join(folder, `${name}.db`)).close()
    return writerFor(t, join(folder, `${name}.db`))
  })
  const backups: string[] = []
  for (const writer of writers) {
    await writer.createSnapshot('before')
    backups.push(String((await writer.restoreFromSnapshot('before')).preRestoreBackup))
  }
  t.match(backups, [/recovery\/pre_restore_/, /recovery\/b\/pre_restore_/])
})

t.test('two databases cannot share a recovery folder that was given', async t => {
  const folder = testFolder(t)
  const [a, b] = [join(folder, 'a.db'), join(folder, 'b.db')]
  for (const path of [a, b]) makeDatabase(path).close()
  const recoveryDir = join(folder, 'recovery')
  writerFor(t, a, { recoveryDir })
  t.throws(() => new SnapshotWriter({ database: b, recoveryDir }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"recoveryDir".*keeps the pre-restore backups of .*a\.db.*folder of its own/ })
  await writerFor(t, b, { recoveryDir: join(folder, 'recovery-b') }).createSnapshot()
})

const ways: Record<string, (path: string) => string> = {
  'under its own path': path => path,
  'through a link': path => { symlinkSync(path, `${path}.link`); return `${path}.link` },
  'after it was moved': path => { renameSync(path, `${path}.moved`); return `${path}.moved` },
  'after it was lost': path => { rmSync(path); return path }
}
for (const [way, go] of Object.entries(ways)) {
  t.test(`a database finds its snapshots again ${way}`, async t => {
    const path = join(testFolder(t), 'app.db')
    const options: SnapshotOptions = { databaseName: 'app', snapshotDir: join(t.testdirName, 'backups'), recoveryDir: join(t.testdirName, 'recovery') }
    makeDatabase(path).close()
    await writerFor(t, path, options).createSnapshot('mine')
    const now = go(path)
    const { snapshots } = await writerFor(t, now, options).listSnapshots()
    t.match(snapshots, [{ name: 'mine' }])
  })
}

// A file in the place of a folder stops root as well, whom no mode does.
const UNUSABLE: Record<string, [folders: object, error: { code: string, message: RegExp }]> = {
  snapshotDir: [{ backups: { '.databases': 'a file' } }, { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"snapshotDir" \(SNAPSHOT_DIR\): \S+backups cannot be used: E.*Let this process write there/ }],
  recoveryDir: [{ recovery: { '.database': {} } }, { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"recoveryDir" \(RECOVERY_DIR\): \S+recovery cannot be used: EISDIR.*Let this process write there/ }],
  'the place of the catalog': [{ backups: { '.locks': 'a file' } }, { code: 'FST_SNAPSHOT_CATALOG_UNUSABLE', message: /catalog\.db cannot be used: EEXIST.*must be able to write.*"snapshotDir" \(SNAPSHOT_DIR\)/ }]
}
for (const [what, [folders, error]] of Object.entries(UNUSABLE)) {
  t.test(`${what} that cannot be written is an error that names the option and keeps its cause`, async t => {
    const path = join(testFolder(t, folders as Record<string, string>), 'app.db')
    makeDatabase(path).close()
    t.throws(() => new SnapshotWriter({ database: path }), { ...error, cause: { code: /^E[A-Z]+$/ } })
  })
}

t.test('a recovery folder whose own part belongs to a third database is refused', async t => {
  const folder = testFolder(t)
  const [a, b, c] = ['a', 'b', 'c'].map(name => join(folder, `${name}.db`)) as [string, string, string]
  for (const path of [a, b, c]) makeDatabase(path).close()
  writerFor(t, a)
  writerFor(t, c, { recoveryDir: join(folder, 'recovery', 'b') })
  t.throws(() => new SnapshotWriter({ database: b }), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"recoveryDir" \(RECOVERY_DIR\).*keeps the pre-restore backups of .*a\.db/ })
})

t.test('a database whose name another one has taken while it was away touches nothing of it', async t => {
  const folder = testFolder(t, { a: {}, b: {} })
  const [first, second] = [join(folder, 'a', 'app.db'), join(folder, 'b', 'app.db')]
  for (const path of [first, second]) makeDatabase(path).close()
  const snapshotDir = join(folder, 'backups')
  const writer = writerFor(t, first, { snapshotDir })
  await writer.createSnapshot('ours')
  renameSync(first, `${first}.aside`)
  await writerFor(t, second, { snapshotDir }).createSnapshot('theirs')
  renameSync(`${first}.aside`, first)
  await t.rejects(writer.restoreFromSnapshot('latest'), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /belongs to .*b\/app\.db by now/ })
})

t.test('a note that was removed, or that names the database by another path, keeps nobody from working', async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const writer = writerFor(t, path)
  const note = join(folder, 'backups', '.databases', 'app')
  symlinkSync(path, join(folder, 'link.db'))
  writeFileSync(note, join(folder, 'link.db'))
  t.match(await writer.createSnapshot('one'), { status: 'COMPLETED' })
  rmSync(note)
  t.match(await writer.createSnapshot('two'), { status: 'COMPLETED' })
})

t.test('a database cannot have two snapshot folders, nor two names in one, as each would take what the other does for a killed process\'s', async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  symlinkSync(path, join(folder, 'link.db'))
  writerFor(t, path)
  for (const options of [{ database: path, snapshotDir: join(folder, 'others') }, { database: path, databaseName: 'other' }, { database: join(folder, 'link.db') }]) {
    t.throws(() => new SnapshotWriter(options), { code: 'FST_SNAPSHOT_INVALID_OPTION', message: /"snapshotDir".*another snapshot folder or name already.*remove .*recovery\/\.database/ })
  }
})

t.test('a snapshot folder that was moved is known again', async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const writer = writerFor(t, path)
  await writer.createSnapshot('a')
  await writer.close()
  renameSync(join(folder, 'backups'), join(folder, 'moved'))
  t.match(await writerFor(t, path, { snapshotDir: join(folder, 'moved') }).getSnapshot('a'), { name: 'a' })
})
