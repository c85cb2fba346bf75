import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { completeSafetyCopy } from '../../../src/engine/apply/safety-copy.ts'
import { testFolder } from '../../helpers/folder.ts'

t.test('a copy of a database that has vanished since is kept as it is', async t => {
  const folder = testFolder(t, { partial: 'all there is' })
  const [partial, path, latest] = ['partial', 'pre_restore.db', 'latest.db'].map(name => join(folder, name)) as [string, string, string]
  completeSafetyCopy({ partial, path, latest }, { pageSize: 4096, pageCount: 0, read: () => { throw new Error('there is nothing to read') }, files: { file: -1, pageSize: 4096, log: null }, state: null }, null)
  t.equal(readFileSync(path, 'utf8'), 'all there is')
  t.equal(readlinkSync(latest), 'pre_restore.db')
  t.notOk(existsSync(partial))
})
