import t from 'tap'
import { checkName, defaultName } from '../../src/snapshots/snapshot-name.ts'

t.test('a name is of letters, digits, dots, underscores and hyphens, up to 128', async t => {
  for (const name of ['a', '2024', 'pre_deployment_2024_01_15', 'v1.2.3-rc.1', 'x'.repeat(128)]) t.doesNotThrow(() => { checkName(name) }, name)
})

const refused: Record<string, RegExp> = {
  '': /1 to 128/,
  '.hidden': /1 to 128/,
  'a b': /1 to 128/,
  ümlaut: /1 to 128/,
  ['x'.repeat(129)]: /1 to 128/,
  'a..b': /"\.\."/,
  '01234567-89ab-4cde-8f01-23456789abcd': /the id of a snapshot/,
  latest: /a word of the routes/,
  Operations: /a word of the routes/
}
for (const [name, why] of Object.entries(refused)) {
  t.test(`${JSON.stringify(name)} is refused, and the error says why`, async t => {
    t.throws(() => { checkName(name) }, { code: 'FST_SNAPSHOT_INVALID_NAME', message: why })
  })
}

t.test('a snapshot without a name gets that of the database and the time, with a number where it is taken', async t => {
  const taken = new Set(['app-20240115T093000Z', 'app-20240115T093000Z-2'])
  const time = new Date('2024-01-15T09:30:00.123Z')
  t.equal(defaultName('app', time, () => false), 'app-20240115T093000Z')
  t.equal(defaultName('app', time, name => taken.has(name)), 'app-20240115T093000Z-3')
})
