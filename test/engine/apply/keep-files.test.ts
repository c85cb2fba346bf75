import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { keepFiles } from '../../../src/engine/apply/keep-files.ts'

t.test('the files of a database are copied as they are, with what belongs to it', async t => {
  const root = t.testdir({ 'app.db': 'a', 'app.db-wal': 'b', 'app.db-journal': 'c', 'app.db.other': 'd' })
  t.equal(await keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }), true)
  t.same(readdirSync(join(root, 'kept')).sort(), ['app.db', 'app.db-journal', 'app.db-wal'])
  t.equal(readFileSync(join(root, 'kept', 'app.db-wal'), 'utf8'), 'b')
})

t.test('also those behind a link', async t => {
  const root = t.testdir({ real: { 'data.db': 'a', 'data.db-wal': 'b' } })
  symlinkSync(join(root, 'real', 'data.db'), join(root, 'app.db'))
  await keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') })
  t.same(readdirSync(join(root, 'kept')).sort(), ['data.db', 'data.db-wal'])
})

t.test('where there are none, nothing is made', async t => {
  const root = t.testdir()
  t.equal(await keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }), false)
  t.equal(existsSync(join(root, 'kept')), false)
})

t.test('a copy that fails leaves nothing half', async t => {
  const root = t.testdir({ 'app.db': 'a' })
  mkdirSync(join(root, 'app.db-wal'))
  await t.rejects(keepFiles({ path: join(root, 'app.db'), folder: join(root, 'kept') }))
  t.equal(existsSync(join(root, 'kept')), false)
})
