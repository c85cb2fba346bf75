import { closeSync, openSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { processesWith, processesWithRemoved } from '../../../src/engine/apply/open-files.ts'
import { makeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'
import { BackgroundScript } from '../../helpers/run-script.ts'

t.test('other processes that have a file open are found, this one is not meant', { skip: process.platform !== 'linux' && 'Linux shows open files' }, async t => {
  const [path, other] = ['app.db', 'other.db'].map(name => join(testFolder(t), name)) as [string, string]
  makeDatabase(path, { journalMode: 'delete' }).close()
  makeDatabase(other, { journalMode: 'delete' }).close()
  const descriptor = openSync(path, 'r')
  t.teardown(() => { closeSync(descriptor) })
  const file = statSync(path)
  t.same(processesWith(file), [])
  const { child } = await BackgroundScript.start(t, 'hold-open', path)
  await BackgroundScript.start(t, 'hold-open', other)
  t.same(processesWith(file), [child.pid])
})

t.test('processes that do not show what they have open, and what they have open no more, are passed over', async t => {
  const folder = testFolder(t, { file: 'x', proc: { 7: { fd: {} }, 8: {}, version: 'x', 9: { fd: {} } } })
  symlinkSync(join(folder, 'gone'), join(folder, 'proc', '7', 'fd', '0'))
  symlinkSync(join(folder, 'file'), join(folder, 'proc', '9', 'fd', '3'))
  t.same(processesWith(statSync(join(folder, 'file')), join(folder, 'proc')), [9])
})

t.test('where the system does not show any, none are found', async t => {
  const folder = testFolder(t, { file: 'x' })
  t.same(processesWith(statSync(join(folder, 'file')), join(folder, 'proc')), [])
})

t.test('those are found, too, that have a file open which was removed', { skip: process.platform !== 'linux' && 'Linux shows open files' }, async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path, { journalMode: 'delete' }).close()
  const { child } = await BackgroundScript.start(t, 'hold-open', path)
  t.same(processesWithRemoved(path), [])
  rmSync(path)
  t.same(processesWithRemoved(path), [child.pid])
})

t.test('engines are no applications', async t => {
  const folder = testFolder(t, { file: 'x', proc: { 7: { fd: {}, cmdline: 'node\0/app/dist/engine/child.js\0low\0' }, 9: { fd: {}, cmdline: 'node\0server.js\0' } } })
  for (const id of ['7', '9']) symlinkSync(join(folder, 'file'), join(folder, 'proc', id, 'fd', '3'))
  t.same(processesWith(statSync(join(folder, 'file')), join(folder, 'proc')), [9])
})
