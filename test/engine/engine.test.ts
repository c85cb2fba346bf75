import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { getPriority } from 'node:os'
import t from 'tap'
import { Engine, runEngine } from '../../src/engine/engine.ts'
import { LockFile } from '../../src/lock-file.ts'
import { creationOf } from '../helpers/creation.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.ts'
import { enginesOf, isAlive, until } from '../helpers/processes.ts'

const input = (path: string): ConstructorParameters<typeof Engine<'check-integrity'>>[1] => ({ target: { path, lockTimeoutMs: 60_000 }, mode: 'quick' })

t.test('an engine runs at low priority, unless it holds the write lock', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path, { journalMode: 'delete' })
  t.teardown(() => { database.close() })
  database.exec('BEGIN EXCLUSIVE') // both wait for it
  for (const [priority, nicer] of [['low', 10], ['normal', 0]] as const) {
    const engine = new Engine('check-integrity', input(path), { priority })
    await until('the engine has its priority', () => enginesOf(process.pid).some(pid => getPriority(pid) === getPriority() + nicer))
    engine.kill(new Error('enough'))
    await t.rejects(engine.result, { message: 'enough' })
    t.same(enginesOf(process.pid).filter(isAlive), [], 'its process is gone when its result is there')
  }
})

t.test('signals for the whole process group do not reach an engine: its host decides', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path, { journalMode: 'delete' })
  database.exec('BEGIN EXCLUSIVE')
  const { result } = new Engine('check-integrity', input(path))
  await until('the engine has its priority', () => enginesOf(process.pid).some(pid => getPriority(pid) > getPriority()))
  for (const pid of enginesOf(process.pid)) process.kill(pid, 'SIGTERM')
  for (const pid of enginesOf(process.pid)) process.kill(pid, 'SIGINT')
  database.close()
  t.match(await result, { isHealthy: true })
})

t.test('an engine that is killed from outside is an error that says so', async t => {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path, { journalMode: 'delete' })
  t.teardown(() => { database.close() })
  database.exec('BEGIN EXCLUSIVE')
  const { result } = new Engine('check-integrity', input(path))
  await until('the engine is there', () => enginesOf(process.pid).length > 0)
  for (const pid of enginesOf(process.pid)) process.kill(pid, 'SIGKILL')
  await t.rejects(result, { code: 'FST_SNAPSHOT_ENGINE_FAILED', message: /check-integrity, SIGKILL/ })
})

t.test('an aborted signal ends an engine with its reason, also before it begins', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const abort = new AbortController()
  const running = runEngine('check-integrity', input(path), { signal: abort.signal })
  abort.abort(new Error('not wanted any more'))
  await t.rejects(running, { message: 'not wanted any more' })
  await t.rejects(runEngine('check-integrity', input(path), { signal: abort.signal }), { message: 'not wanted any more' })
})

t.test('a handler of events that fails ends the engine with its error', async t => {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  const packFile = join(folder, 'data.zst')
  const { image, map } = await runEngine('create-image', creationOf(path, { packFile }))
  const staging = new Engine('stage-image', { manifest: { image, map }, file: join(folder, 'staged.db'), keep: 'not', check: false, packFiles: null, live: null }, { onEvent: () => { throw new Error('no bytes to be had') } })
  staging.input.write(readFileSync(packFile).subarray(map.offset, map.offset + map.storedLength))
  await t.rejects(staging.result, { message: 'no bytes to be had' })
})

t.test('a restore is not applied while another engine may still be at work, nor where a database has appeared', async t => {
  const folder = testFolder(t)
  const [path, image, lockFile] = ['app.db', 'image.db', 'engine.lock'].map(name => join(folder, name)) as [string, string, string]
  for (const file of [path, image]) makeDatabase(file).close()
  const task = { id: 'id', target: { path, lockTimeoutMs: 50 }, image, name: 'image', lockFile, safetyCopy: null, copiedAt: null, link: null, intentFile: join(folder, 'intent'), quarantine: join(folder, 'quarantine') }
  const other = LockFile.takeBlocking(lockFile, 0)
  await t.rejects(runEngine('apply-image', task), { code: 'FST_SNAPSHOT_BUSY' })
  other?.release()
  await t.rejects(runEngine('apply-image', task), { message: /a database has appeared at .*app\.db meanwhile/ })
})

t.test('an engine that cannot even start says why', async t => {
  const folder = testFolder(t, { 'broken.cjs': "throw new Error('a broken preload')" })
  t.intercept(process, 'env', { value: { ...process.env, NODE_OPTIONS: `--require ${join(folder, 'broken.cjs')}` } })
  await t.rejects(runEngine('checkpoint', { path: 'any' }), { code: 'FST_SNAPSHOT_ENGINE_FAILED', message: /exit code 1: [^]*a broken preload/ })
})

t.test('what a preloaded module prints does not harm', async t => {
  const folder = testFolder(t, { 'noisy.cjs': "console.log('a banner of some tool'); console.error('and a warning')" })
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  t.intercept(process, 'env', { value: { ...process.env, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --require ${join(folder, 'noisy.cjs')}` } })
  const creation = creationOf(path)
  const { packBytes } = await runEngine('create-image', creation)
  t.equal(statSync(creation.packFile).size, packBytes)
})

t.test('an engine ends even where Node itself would hang on its way out, and modules that were preloaded can still clean up', async t => {
  const folder = testFolder(t, {
    'hanging.cjs': `
    process.reallyExit = () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) }
    process.on('exit', () => { require('node:fs').writeFileSync(__dirname + '/cleaned-up', '') })`
  })
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  t.intercept(process, 'env', { value: { ...process.env, NODE_OPTIONS: `--require ${join(folder, 'hanging.cjs')}` } })
  t.teardown(() => { for (const pid of enginesOf(process.pid)) process.kill(pid, 'SIGKILL') })
  await runEngine('checkpoint', { path })
  t.ok(existsSync(join(folder, 'cleaned-up')))
})

t.test('an engine whose process cannot be started is an error that says so', async t => {
  const { execPath } = process
  t.teardown(() => { process.execPath = execPath })
  process.execPath = join(testFolder(t), 'no-node-here')
  await t.rejects(runEngine('checkpoint', { path: 'any' }), { code: 'FST_SNAPSHOT_ENGINE_FAILED', cause: { code: 'ENOENT' } })
})

t.test('a folder that may not be written is a coded error, of the database and not of SQLite', { skip: process.getuid?.() === 0 && noSmallDisk }, async t => {
  const folder = process.getuid?.() === 0 ? mountSmallDisk(t, 1) : testFolder(t)
  const path = join(folder, 'app.db')
  makeDatabase(path).close()
  // Nothing keeps root from writing but a file system that takes no writes.
  if (process.getuid?.() === 0) execFileSync('mount', ['-o', 'remount,ro', folder])
  else chmodSync(folder, 0o500)
  t.teardown(() => { if (process.getuid?.() !== 0) chmodSync(folder, 0o700) })
  await t.rejects(runEngine('check-integrity', input(path)), { code: 'FST_SNAPSHOT_DATABASE_UNWRITABLE', message: /folder is not writable/ })
})
