import { chmodSync, chownSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { swapFiles, type FileSwap } from '../../../src/engine/apply/swap-files.ts'
import { testFolder } from '../../helpers/folder.ts'
import { unless } from '../../helpers/requirements.ts'
import { mountSmallDisk, noSmallDisk } from '../../helpers/small-disk.ts'

/** Files of a database, and what is to take its place. */
function prepare (t: Test): { folder: string, path: string, swap: FileSwap } {
  const folder = join(testFolder(t), 'data')
  mkdirSync(folder)
  const path = join(folder, 'app.db')
  for (const [suffix, text] of [['', 'old'], ['-wal', 'log'], ['-shm', 'shared'], ['-journal', 'journal'], ['.other', 'other']] as const) writeFileSync(path + suffix, text)
  const image = join(t.testdirName, 'image.db')
  writeFileSync(image, 'new')
  return { folder, path, swap: { id: 'id', target: { path, lockTimeoutMs: 0 }, image, intentFile: join(t.testdirName, 'intent'), quarantine: join(t.testdirName, 'recovery', 'quarantine') } }
}

const contentsOf = (folder: string): Record<string, string> => Object.fromEntries(readdirSync(folder).map(name => [name, readFileSync(join(folder, name), 'utf8')]))
const OLD = { 'app.db': 'old', 'app.db-wal': 'log', 'app.db-shm': 'shared', 'app.db-journal': 'journal' }

t.test('the new file is in the place of the old one, which is in the quarantine with all that belongs to it', async t => {
  const { folder, path, swap } = prepare(t)
  const { ino, mtimeMs } = statSync(path)
  t.same(swapFiles(swap, '/backup.db', true), [])
  t.same(contentsOf(folder), { 'app.db': 'new', 'app.db.other': 'other' })
  t.same(contentsOf(swap.quarantine), OLD)
  t.equal(statSync(join(swap.quarantine, 'app.db')).ino, ino, 'the same file still: what somebody writes to it is there')
  t.same(JSON.parse(readFileSync(swap.intentFile, 'utf8')), { backup: '/backup.db', quarantine: swap.quarantine, wasMissing: false, isCheckpointed: true, modifiedMs: mtimeMs })
  t.equal(readFileSync(swap.image, 'utf8'), 'new', 'the image stays')
})

t.test('behind a link, the link stays', async t => {
  const { folder, path, swap } = prepare(t)
  const link = join(t.testdirName, 'link.db')
  symlinkSync(path, link)
  swapFiles({ ...swap, target: { path: link, lockTimeoutMs: 0 } }, null, false)
  t.equal(readFileSync(link, 'utf8'), 'new')
  t.same(contentsOf(folder), { 'app.db': 'new', 'app.db.other': 'other' })
  t.same(contentsOf(swap.quarantine), OLD)
})

t.test('the quarantine may be on another disk', { skip: noSmallDisk }, async t => {
  const { folder, swap } = prepare(t)
  const quarantine = join(mountSmallDisk(t, 1), 'quarantine')
  swapFiles({ ...swap, quarantine }, null, false)
  t.same(contentsOf(folder), { 'app.db': 'new', 'app.db.other': 'other' })
  t.same(contentsOf(quarantine), OLD)
})

t.test('the new file is whose the old one was, with its rights', { skip: unless(process.getuid?.() === 0, 'only root gives files away') }, async t => {
  const { path, swap } = prepare(t)
  chownSync(path, 1234, 2345)
  chmodSync(path, 0o640)
  swapFiles(swap, null, false)
  const { uid, gid, mode } = statSync(path)
  t.same({ uid, gid, mode: mode & 0o777 }, { uid: 1234, gid: 2345, mode: 0o640 })
})

t.test('who may not give files away keeps it', { skip: unless(process.getuid?.() === 0, 'only root can become somebody else') }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'swap-files-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const [path, image] = [join(folder, 'app.db'), join(folder, 'image.db')]
  writeFileSync(path, 'old')
  writeFileSync(image, 'new')
  chmodSync(path, 0o666)
  chmodSync(image, 0o644)
  chownSync(folder, 65534, 65534)
  process.seteuid!(65534)
  try {
    swapFiles({ id: 'id', target: { path, lockTimeoutMs: 0 }, image, intentFile: join(folder, 'intent'), quarantine: join(folder, 'quarantine') }, null, false)
  } finally {
    process.seteuid!(0)
  }
  t.equal(readFileSync(path, 'utf8'), 'new')
  t.equal(statSync(path).uid, 65534)
  t.same(contentsOf(join(folder, 'quarantine')), { 'app.db': 'old' })
})

t.test('where the old file cannot have a second name, everything stays as it was', async t => {
  const { folder, path, swap } = prepare(t)
  linkSync(path, `${path}.id.old`)
  const { ino } = statSync(path)
  t.throws(() => swapFiles(swap, null, false), { code: 'EEXIST' })
  t.same(contentsOf(folder), { ...OLD, 'app.db.other': 'other' })
  t.equal(statSync(path).ino, ino)
  for (const left of [swap.intentFile, swap.quarantine]) t.notOk(existsSync(left))
})

t.test('nor is anything changed where the image is gone', async t => {
  const { folder, swap } = prepare(t)
  t.throws(() => swapFiles({ ...swap, image: join(folder, 'gone') }, null, false), { code: 'ENOENT' })
  t.same(contentsOf(folder), { ...OLD, 'app.db.other': 'other' })
  for (const left of [swap.intentFile, swap.quarantine]) t.notOk(existsSync(left))
})
