import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { keepFiles } from '../../../src/engine/apply/keep-files.ts'
import { testFolder } from '../../helpers/folder.ts'

t.test('the files of a database are copied as they are, with what belongs to it', async t => {
  const root = testFolder(t, { 'app.db': 'a', 'app.db-wal': 'b', 'app.db-journal': 'c', 'app.db.other': 'd' })
  t.equal(await keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }), true)
  t.same(readdirSync(join(root, 'kept')).sort(), ['app.db', 'app.db-journal', 'app.db-wal'])
  t.equal(readFileSync(join(root, 'kept', 'app.db-wal'), 'utf8'), 'b')
})

t.test('also those behind a link', async t => {
  const root = testFolder(t, { real: { 'data.db': 'a', 'data.db-wal': 'b' } })
  symlinkSync(join(root, 'real', 'data.db'), join(root, 'app.db'))
  await keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') })
  t.same(readdirSync(join(root, 'kept')).sort(), ['data.db', 'data.db-wal'])
})

t.test('where there are none, nothing is made', async t => {
  const root = testFolder(t)
  t.equal(await keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }), false)
  t.same(readdirSync(root), [])
})

/** Does something each time a file was copied. */
function whenCopied (t: Test, run: (time: number) => void): void {
  const listener = Symbol.for('fastify-sqlite-snapshots.step')
  let time = 0
  Object.assign(globalThis, { [listener]: () => { run(++time) } })
  t.teardown(() => { Reflect.deleteProperty(globalThis, listener) })
}

t.test('a log that vanishes meanwhile is left out, and what it was written to is copied again', async t => {
  const root = testFolder(t, { 'app.db': 'a', 'app.db-wal': 'b', 'app.db-shm': 'c' })
  whenCopied(t, time => {
    if (time !== 1) return
    for (const suffix of ['-wal', '-shm']) rmSync(join(root, `app.db${suffix}`)) // the application closes its database
    writeFileSync(join(root, 'app.db'), 'a and b')
  })
  t.equal(await keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }), true)
  t.same(readdirSync(join(root, 'kept')), ['app.db'])
  t.equal(readFileSync(join(root, 'kept', 'app.db'), 'utf8'), 'a and b')
})

t.test('what is written to meanwhile is copied again, and a log that was copied and is gone is no part of it', async t => {
  const root = testFolder(t, { 'app.db': 'a', 'app.db-wal': 'b' })
  whenCopied(t, time => {
    if (time === 2) appendFileSync(join(root, 'app.db-wal'), 'c')
    if (time === 3) rmSync(join(root, 'app.db-wal'))
    if (time === 4) writeFileSync(join(root, 'app.db-journal'), 'd')
  })
  t.equal(await keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }), true)
  t.same(readdirSync(join(root, 'kept')).sort(), ['app.db', 'app.db-journal'])
})

t.test('files that are written to all the time are kept as they were copied last', async t => {
  const root = testFolder(t, { 'app.db': 'a' })
  let times = 0
  whenCopied(t, time => {
    times = time
    appendFileSync(join(root, 'app.db'), String(time))
  })
  t.equal(await keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }), true)
  t.equal(times, 5)
  t.equal(readFileSync(join(root, 'kept', 'app.db'), 'utf8'), 'a1234')
  t.same(readdirSync(root).sort(), ['app.db', 'kept'])
})

t.test('a copy that fails leaves nothing half', async t => {
  const root = testFolder(t, { 'app.db': 'a' })
  mkdirSync(join(root, 'app.db-wal'))
  await t.rejects(keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }), { code: 'FST_SNAPSHOT_RESTORE_FAILED', message: /the files of .*app\.db could not be copied: /, cause: Error })
  t.equal(existsSync(join(root, 'kept')), false)
})

t.test('a disk that is full is called so', async t => {
  const root = testFolder(t, { 'app.db': 'a' })
  whenCopied(t, () => { throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }) })
  await t.rejects(keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }), { code: 'FST_SNAPSHOT_NO_ROOM' })
  t.same(readdirSync(root), ['app.db'])
})
