import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checksumFile, noteChecksum, takeBackup } from '../../../src/engine/apply/backup-checksum.ts'
import { flipBit } from '../../helpers/damage.ts'
import { testFolder } from '../../helpers/folder.ts'

t.test('a backup is taken where it is what its checksum says, which sha256sum takes as well', async t => {
  const folder = testFolder(t, { 'backup.db': 'content '.repeat(200_000) })
  const [backup, copy] = [join(folder, 'backup.db'), join(folder, 'copy.db')]
  noteChecksum(backup)
  t.equal(execFileSync('sha256sum', ['--check', 'backup.db.sha256'], { cwd: folder, encoding: 'utf8' }), 'backup.db: OK\n')
  t.equal(statSync(checksumFile(backup)).mode & 0o777, 0o600)
  t.equal(await takeBackup({ backup, copy }), true)
  t.ok(readFileSync(copy).equals(readFileSync(backup)))
  await t.rejects(takeBackup({ backup, copy }), { code: 'EEXIST' })
  rmSync(copy)
  flipBit(backup, 0.999)
  await t.rejects(takeBackup({ backup, copy }), { code: 'FST_SNAPSHOT_DAMAGED', message: /backup\.db has changed since it was made: its sha256 is [0-9a-f]{64}, and .*sha256 says [0-9a-f]{64}\. Nothing was changed/ })
})

t.test('one without a checksum is taken, and is not known to be what it was', async t => {
  const folder = testFolder(t, { 'backup.db': 'content' })
  t.equal(await takeBackup({ backup: join(folder, 'backup.db'), copy: join(folder, 'copy.db') }), false)
})

t.test('an empty one is taken only where its checksum says that it was empty', async t => {
  const folder = testFolder(t, { 'backup.db': '' })
  const backup = join(folder, 'backup.db')
  await t.rejects(takeBackup({ backup, copy: join(folder, 'first.db') }), { code: 'FST_SNAPSHOT_DAMAGED', message: /backup\.db is empty, and there is no checksum/ })
  noteChecksum(backup)
  t.equal(await takeBackup({ backup, copy: join(folder, 'second.db') }), true)
})

t.test('a checksum that was cut short, or never was one, is no proof', async t => {
  const folder = testFolder(t, { 'backup.db': 'content' })
  for (const [number, note] of ['', 'nothing', 'ab'.repeat(500)].entries()) {
    writeFileSync(join(folder, 'backup.db.sha256'), note)
    await t.rejects(takeBackup({ backup: join(folder, 'backup.db'), copy: join(folder, `copy${number}.db`) }), { code: 'FST_SNAPSHOT_DAMAGED' })
  }
})

t.test('a checksum that cannot be written does not make the backup less of one', async t => {
  const folder = testFolder(t, { 'backup.db': 'content' })
  mkdirSync(checksumFile(join(folder, 'backup.db')))
  noteChecksum(join(folder, 'backup.db'))
})
