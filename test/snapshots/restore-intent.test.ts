import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { intentFile, intentsIn, readIntent, removeIntent } from '../../src/snapshots/restore-intent.ts'
import { testFolder } from '../helpers/folder.ts'

t.test('what was noted is read, what was not noted, or not to its end, is nothing', async t => {
  const folder = testFolder(t)
  t.equal(readIntent(folder, 'one'), null)
  writeFileSync(intentFile(folder, 'one'), '{"backup":"/recovery/pre_re')
  t.equal(readIntent(folder, 'one'), null)
  writeFileSync(intentFile(folder, 'one'), '{"backup":"/recovery/pre_restore.db"}')
  t.same(readIntent(folder, 'one'), { backup: '/recovery/pre_restore.db' })
  removeIntent(folder, 'one')
  t.equal(readIntent(folder, 'one'), null)
})

t.test('a note that cannot be read is not taken for none', async t => {
  const folder = testFolder(t)
  mkdirSync(intentFile(folder, 'one'))
  t.throws(() => readIntent(folder, 'one'), { code: 'EISDIR' })
})

t.test('all that was noted to its end is found by the id of its restore; without a folder there is nothing', async t => {
  const folder = testFolder(t)
  const [one, other] = ['01234567-89ab-4cde-8f01-23456789abcd', '11234567-89ab-4cde-8f01-23456789abcd'] as const
  writeFileSync(intentFile(folder, one), '{"backup":"/recovery/pre_restore.db"}')
  writeFileSync(intentFile(folder, other), '{"backup":')
  writeFileSync(`${folder}/.other.intent`, '{}')
  t.same([...intentsIn(folder)], [[one, { backup: '/recovery/pre_restore.db' }]])
  t.same([...intentsIn(`${folder}/gone`)], [])
})
