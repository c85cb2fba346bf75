import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { explainDiskError, LocalStorage } from '../../src/storage/local-storage.ts'
import { readAll } from '../../src/storage/storage-key.ts'
import { fillDisk } from '../helpers/fill-disk.ts'
import { testFolder } from '../helpers/folder.ts'
import { BackgroundScript } from '../helpers/run-script.ts'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.ts'
import { chunks, keysOf } from './conformance/helpers.ts'
import { storageConformance } from './storage-conformance.ts'

storageConformance(t, 'local files', t => new LocalStorage(join(testFolder(t), 'made', 'when-needed')))

function makeStorage (t: Test, content = {}): { root: string, storage: LocalStorage, files: () => string[] } {
  const root = testFolder(t, content)
  return { root, storage: new LocalStorage(root), files: () => readdirSync(root, { recursive: true }).map(String).sort() }
}
const modeOf = (path: string): number => statSync(path).mode & 0o777
const failed = { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: /^Storage "local" failed: / }

t.test('an object is a file at its key below the folder', async t => {
  const { root, storage } = makeStorage(t)
  await storage.put('app/packs/1/data.zst', Buffer.from('content'))
  t.equal(readFileSync(join(root, 'app/packs/1/data.zst'), 'utf8'), 'content')
})

t.test('the name is `local` unless another is given, and stands in errors', async t => {
  t.equal(new LocalStorage(testFolder(t)).name, 'local')
  const storage = new LocalStorage(t.testdirName, 'second-disk')
  t.equal(storage.name, 'second-disk')
  await t.rejects(storage.get('app/missing'), { message: 'Storage "second-disk" has no object app/missing' })
})

t.test('only the owner can read files and folders, whatever the umask', async t => {
  const before = process.umask(0)
  t.teardown(() => { process.umask(before) })
  const storage = new LocalStorage(join(testFolder(t), 'root'))
  await storage.put('app/packs/1/data.zst', Buffer.from('secret'))
  await storage.put('app/absent', Buffer.from('secret'), { ifAbsent: true })
  for (const folder of ['root', 'root/app', 'root/app/packs', 'root/app/packs/1']) t.equal(modeOf(join(t.testdirName, folder)), 0o700, folder)
  for (const file of ['root/app/packs/1/data.zst', 'root/app/absent']) t.equal(modeOf(join(t.testdirName, file)), 0o600, file)
})

t.test('a write in progress is readable for the owner only and no key shows it', async t => {
  const { root, storage, files } = makeStorage(t)
  const body = async function * () {
    yield Buffer.from('begun')
    const [partial] = files().filter(name => name.endsWith('.partial'))
    t.match(partial, /^app\/\.[0-9a-f-]{36}\.partial$/)
    t.equal(modeOf(join(root, String(partial))), 0o600)
    t.same(await keysOf(storage, ''), [])
  }
  await storage.put('app/object', body())
  t.same(files(), ['app', 'app/object'], 'and its place is taken by the object')
})

t.test('nothing is left of writes that fail, folders made for them included', async t => {
  const { storage, files } = makeStorage(t, { app: { kept: 'kept' } })
  for (const ifAbsent of [true, false]) {
    await t.rejects(storage.put('app/packs/1/data', chunks('begun', new Error('broken')), { ifAbsent }), { message: 'broken' })
    await t.rejects(storage.put('app/packs/1/data', chunks('begun'), { ifAbsent, signal: AbortSignal.abort() }), { name: 'AbortError' })
  }
  await t.rejects(storage.put('app/kept', Buffer.from('new'), { ifAbsent: true }), { code: 'FST_SNAPSHOT_STORAGE_EXISTS' })
  t.same(files(), ['app', 'app/kept'])
})

t.test('with the last object of a folder the folder goes, but never the root', async t => {
  const { storage, files, root } = makeStorage(t)
  await storage.put('app/packs/1/data', Buffer.from('x'))
  await storage.put('app/other', Buffer.from('x'))
  await storage.delete('app/packs/1/data')
  t.same(files(), ['app', 'app/other'])
  await storage.delete('app/other')
  t.same(files(), [])
  t.ok(existsSync(root))
})

t.test('files that are no objects are not listed', async t => {
  const { storage } = makeStorage(t, { '.hidden': 'x', '.locks': { lock: 'x' }, app: { '.x.partial': 'x', object: 'x', '.folder': { object: 'x' }, folder: {} } })
  t.same(await keysOf(storage, ''), ['app/object'])
})

t.test('a file where a folder should be is an error that keeps its cause', async t => {
  for (const root of [join(testFolder(t, { file: 'x' }), 'file'), t.testdirName]) {
    const storage = new LocalStorage(root)
    const key = root === t.testdirName ? 'file/object' : 'app/object'
    for (const ifAbsent of [true, false]) await t.rejects(storage.put(key, Buffer.from('x'), { ifAbsent }), { ...failed, cause: { syscall: String } })
    await t.rejects(storage.get(key), { ...failed, cause: { code: 'ENOTDIR' } })
    await t.rejects(storage.head(key), failed)
    await t.rejects(storage.delete(key), failed)
    await t.rejects(keysOf(storage, 'file/'), failed)
    await t.rejects(storage.removePartialWrites('file/'), failed)
  }
  t.equal(readFileSync(join(t.testdirName, 'file'), 'utf8'), 'x')
})

t.test('what cannot be opened is an error, not a missing object', async t => {
  const { root, storage } = makeStorage(t)
  symlinkSync('loop', join(root, 'loop'))
  for (const key of ['loop', 'loop/object']) {
    await t.rejects(storage.get(key), { ...failed, cause: { code: 'ELOOP' } })
    await t.rejects(storage.head(key), { ...failed, cause: { code: 'ELOOP' } })
  }
  await t.rejects(storage.delete('loop/object'), { ...failed, cause: { code: 'ELOOP' } })
})

t.test('a link to nowhere in the place of an object is an error of a put with ifAbsent', async t => {
  const { root, storage, files } = makeStorage(t)
  symlinkSync('nowhere', join(root, 'object'))
  await t.rejects(storage.put('object', Buffer.from('x'), { ifAbsent: true }), { ...failed, cause: { code: 'EEXIST' } })
  t.same(files(), ['object'])
})

t.test('a name longer than the file system takes is an error', async t => {
  const { storage, files } = makeStorage(t)
  await t.rejects(storage.put('x'.repeat(300), Buffer.from('x')), { ...failed, cause: { code: 'ENAMETOOLONG' } })
  t.same(files(), [])
})

t.test('a full disk is an error of its own that leaves no part of the write', { skip: noSmallDisk }, async t => {
  const root = mountSmallDisk(t, 1)
  const storage = new LocalStorage(root)
  await storage.put('app/object', Buffer.from('old'))
  for (const ifAbsent of [true, false]) {
    await t.rejects(storage.put(ifAbsent ? 'app/new/object' : 'app/object', Buffer.alloc(2 * 2 ** 20), { ifAbsent }),
      { code: 'FST_SNAPSHOT_NO_ROOM', statusCode: 507, message: `Not enough disk space: the disk of ${root} is full`, cause: { code: 'ENOSPC' } })
  }
  t.same(readdirSync(root, { recursive: true }).sort(), ['app', 'app/object'])
  t.equal(String(await readAll(await storage.get('app/object'))), 'old')
  const makeRoom = fillDisk(root)
  await storage.delete('app/object')
  makeRoom()
  await storage.put('app/object', Buffer.alloc(500_000))
})

t.test('a writer that is killed in the middle leaves no object, and its remains can be removed', async t => {
  const { root, storage, files } = makeStorage(t)
  await storage.put('app/packs/1/data', Buffer.from('old'))
  for (const key of ['app/packs/1/data', 'app/packs/2/data']) {
    const { child } = await BackgroundScript.start(t, 'put-forever', root, key)
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const partial = (): string[] => files().filter(name => name.endsWith('.partial'))
  t.equal(partial().length, 2)
  t.ok(partial().every(name => statSync(join(root, name)).size > 0))
  t.same(await keysOf(storage, ''), ['app/packs/1/data'])
  t.equal(String(await readAll(await storage.get('app/packs/1/data'))), 'old')

  await storage.removePartialWrites('other/')
  t.equal(partial().length, 2, 'those of others are left alone')
  await storage.removePartialWrites('app/packs/1/')
  t.equal(partial().length, 1)
  await storage.removePartialWrites('app/')
  t.same(partial(), [])
  t.same(await keysOf(storage, ''), ['app/packs/1/data'])
  await storage.put('app/packs/2/data', Buffer.from('new'), { ifAbsent: true })
})

t.test('removing partial writes of a folder that is missing is no error', async t => {
  await t.resolves(new LocalStorage(join(testFolder(t), 'missing')).removePartialWrites(''))
})

t.test('removing partial writes removes only files that a put has made', async t => {
  const { root, storage, files } = makeStorage(t, { 'mine.partial': 'x', '.catalog.lock': 'x' })
  mkdirSync(join(root, '.folder.partial'))
  writeFileSync(join(root, '.01234567-89ab-4cde-8f01-23456789abcd.partial'), 'x')
  await storage.removePartialWrites('')
  t.same(files(), ['.catalog.lock', '.folder.partial', 'mine.partial'])
})

t.test('a deletion that the disk refuses is an error', { skip: process.getuid?.() === 0 && noSmallDisk }, async t => {
  const root = process.getuid?.() === 0 ? mountSmallDisk(t, 1) : testFolder(t)
  const storage = new LocalStorage(root)
  await storage.put('object', Buffer.from('x'))
  // Nothing keeps root from deleting but a file system that takes no changes.
  if (process.getuid?.() === 0) execFileSync('mount', ['-o', 'remount,ro', root])
  else chmodSync(root, 0o500)
  t.teardown(() => { if (process.getuid?.() !== 0) chmodSync(root, 0o700) })
  await t.rejects(storage.delete('object'), failed)
})

t.test('a disk that is full, or whose quota is used up, is a coded error, and so is any other', async t => {
  const error = (code: string): Error => Object.assign(new Error('from the disk'), { code })
  for (const code of ['ENOSPC', 'EDQUOT']) t.match(explainDiskError(error(code), 'local', '/backups'), { code: 'FST_SNAPSHOT_NO_ROOM', message: /the disk of \/backups is full/, cause: { code } })
  t.match(explainDiskError(error('EIO'), 'local', '/backups'), { code: 'FST_SNAPSHOT_STORAGE_FAILED', message: 'Storage "local" failed: from the disk' })
})
