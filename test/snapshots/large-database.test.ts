import { execFileSync } from 'node:child_process'
import { existsSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { query } from '../helpers/bank.ts'
import { integrityOf, makeLargeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { unlessInstalled, unlessLarge } from '../helpers/requirements.ts'
import { builtWriterFor } from '../helpers/built.ts'
import { download, sha256OfFile } from '../helpers/round-trip.ts'

const LOCK_BYTE = 1024 ** 3

t.test('a database beyond the page of the lock byte, at 1 GiB, comes back as it was', { skip: unlessLarge }, async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeLargeDatabase(path, 1.1 * LOCK_BYTE)
  t.ok(statSync(path).size > LOCK_BYTE)
  const rows = query(path, 'SELECT count(*) FROM items')
  const digest = (file: string): unknown => query(file, 'SELECT sum(length(data)) || sum(unicode(text)) || max(data) FROM items WHERE id % 7 = 0')
  const content = digest(path)

  const writer = builtWriterFor(t, path)
  const { checksum } = await writer.createSnapshot('large')
  const file = join(folder, 'downloaded.db')
  await download(writer, 'large', file)
  t.equal(sha256OfFile(file), checksum)
  t.equal(digest(file), content)
  t.equal(integrityOf(file), 'ok')
  rmSync(file)

  query(path, 'DELETE FROM items WHERE id % 7 = 0 RETURNING id')
  await writer.restoreFromSnapshot('large')
  t.equal(query(path, 'SELECT count(*) FROM items'), rows)
  t.equal(digest(path), content)
  t.equal(integrityOf(path), 'ok')
  t.notOk(existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0)
})

t.test('a snapshot can be restored by hand with zstd alone', { skip: unlessInstalled('zstd') }, async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeLargeDatabase(path, 3_000_000)
  const writer = builtWriterFor(t, path)
  const { id, checksum } = await writer.createSnapshot('by-hand')
  const file = join(folder, 'by-hand.db')
  execFileSync('zstd', ['-q', '-d', join(folder, 'backups', 'app', 'packs', id, 'data.zst'), '-o', file])
  t.equal(sha256OfFile(file), checksum)
  t.equal(integrityOf(file), 'ok')
})
