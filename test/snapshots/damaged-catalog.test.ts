import Database from 'better-sqlite3'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { errors } from '../../src/index.ts'
import { testFolder } from '../helpers/folder.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'
import { recoverable, openWriter, type LogEntry } from '../helpers/recoverable.ts'

/*
 * The catalog has no checksums. What it says is held against what is stored, and none of its errors costs a snapshot.
 */

/** Does something to the catalog that this package never does. */
function harm (folder: string, sql: string): void {
  const catalog = new Database(join(folder, 'backups', 'catalog.db'))
  catalog.unsafeMode(true)
  catalog.exec(`PRAGMA writable_schema = ON; ${sql}; PRAGMA writable_schema = RESET`)
  catalog.close()
}

/** Makes an index anew in another form, under its old description. @param meanwhile what the index would not let happen */
function falsify (folder: string, index: string, form: string, meanwhile = ''): void {
  const catalog = new Database(join(folder, 'backups', 'catalog.db'))
  const { sql } = catalog.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').get(index) as { sql: string }
  catalog.close()
  harm(folder, `DROP INDEX ${index}; ${meanwhile}; CREATE ${form.replace('INDEX', `INDEX ${index}`)}; UPDATE sqlite_schema SET sql = '${sql.replaceAll("'", "''")}' WHERE name = '${index}'`)
}

const said = (log: LogEntry[], words: RegExp): boolean => log.some(({ message }) => words.test(message))

t.test('what contradicts the manifest, its packs or the marks is put right by a verification, which says so', async t => {
  const { folder, writer, log } = await recoverable(t)
  await writer.updateSnapshot('a', { pinned: true, labels: { release: '1' } })
  const right = await writer.getSnapshot('a')
  harm(folder, 'UPDATE snapshots SET name = \'c\', size = 7, createdAt = \'then\', pinned = 0, labels = \'{}\'; UPDATE snapshotPacks SET packId = \'x\' || packId')
  await writer.verifySnapshot('c')
  t.ok(said(log, /contradicted what is stored of the snapshot c.*put right \(size, createdAt, name\)|\(size, .*createdAt.*name.*\)/))
  t.ok(said(log, /put right \(packs\)/))
  t.ok(said(log, /put right \(pinned, labels\)/))
  const { verifiedAt, ...now } = await writer.getSnapshot('a')
  t.match(right, now)
  log.length = 0
  await writer.verifySnapshot('a')
  t.notOk(said(log, /contradicted/))
})

t.test('a name with a number is that of a snapshot that was taken over, one with other words is not', async t => {
  const { folder, writer } = await recoverable(t)
  for (const [name, right] of [['a-2', 'a-2'], ['a-copy', 'a']] as const) {
    harm(folder, `UPDATE snapshots SET name = '${name}'`)
    const { id } = await writer.getSnapshot(name)
    await writer.verifySnapshot(name)
    t.match(await writer.getSnapshot(id), { name: right })
  }
})

t.test('marks that cannot be asked for keep a verification from an outcome', async t => {
  const storage = new RemoteStorage(join(testFolder(t), 'remote'))
  const { writer } = await recoverable(t, { storage })
  const { get } = storage
  storage.get = async (key, options) => {
    if (key.includes('/marks/')) throw new errors.StorageUnavailableError('remote', 'it is down')
    return await get.call(storage, key, options)
  }
  await t.rejects(writer.verifySnapshot('a'), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
})

t.test('a verification says nothing of marks that cannot be read', async t => {
  const { folder, writer } = await recoverable(t)
  const { id } = await writer.updateSnapshot('a', { pinned: true })
  writeFileSync(join(folder, 'backups', 'app', 'marks', `${id}.json`), 'damaged')
  t.match(await writer.verifySnapshot('a'), { isHealthy: true })
})

t.test('what is pinned where it is stored is not deleted, whatever the catalog says', async t => {
  const { folder, writer } = await recoverable(t)
  await writer.updateSnapshot('a', { pinned: true })
  harm(folder, 'UPDATE snapshots SET pinned = 0')
  await t.rejects(writer.deleteSnapshot('a'), { code: 'FST_SNAPSHOT_PINNED' })
  t.match(await writer.getSnapshot('a'), { pinned: true })
})

t.test('an index that leads to another snapshot is not believed, and is made anew', async t => {
  const { path, folder, writer, log } = await recoverable(t)
  const [{ id: a }, { id: b }] = [await writer.getSnapshot('a'), await writer.createSnapshot('b')]
  falsify(folder, 'snapshots_name', "INDEX ON snapshots (database, (CASE name WHEN 'a' THEN 'b' ELSE 'a' END), sequence) WHERE deletedAt IS NULL")
  await writer.close()
  const { writer: next } = openWriter(t, path, {}, log)
  t.not((await next.getSnapshot('a').catch(() => null))?.id, b)
  await next.rebuildCatalog()
  t.ok(said(log, /The catalog was damaged, and its indexes were made anew/))
  t.same([(await next.getSnapshot('a')).id, (await next.getSnapshot('b')).id], [a, b])
})

t.test('an index of packs that is damaged costs no pack', async t => {
  const { folder, writer, path } = await recoverable(t, {}, { rows: 3000 })
  new Database(path).exec("UPDATE items SET text = 'changed' WHERE id = 60").close()
  t.not((await writer.createSnapshot('b')).parentId, null)
  falsify(folder, 'snapshotPacks_pack', "INDEX ON snapshotPacks ('x' || packId)")
  await writer.deleteSnapshot('a')
  t.match(await writer.verifySnapshot('b'), { isHealthy: true })
})

t.test('a catalog that cannot be mended, or holds what makes no sense, says so', async t => {
  const { folder, writer } = await recoverable(t)
  await writer.createSnapshot('b')
  falsify(folder, 'snapshots_name_in_use', 'INDEX ON snapshots (database, source, name)', "UPDATE snapshots SET name = 'a'")
  await t.rejects(writer.rebuildCatalog(), { code: 'FST_SNAPSHOT_CATALOG_UNUSABLE', message: /move it aside/ })
  harm(folder, "UPDATE snapshots SET labels = '{'")
  await t.rejects(writer.listSnapshots(), { code: 'FST_SNAPSHOT_CATALOG_UNUSABLE' })
})

t.test('an application starts also where a part of the catalog is lost, and who asks for it is told', async t => {
  const { folder, path, writer } = await recoverable(t)
  await writer.close()
  harm(folder, 'DROP TABLE storages')
  const next = openWriter(t, path).writer
  t.match(next.health(), { status: 'degraded', reasons: [/^The catalog .*catalog\.db cannot be used: no such table: storages\. .*move it aside/] })
  await next.close()
  t.throws(() => next.health(), { code: 'FST_SNAPSHOT_CANCELLED' })
})
