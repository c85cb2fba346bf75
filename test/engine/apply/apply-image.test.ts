import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runEngine } from '../../../src/engine/engine.ts'
import { contentOf, makeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

t.test('a safety copy that cannot be completed under the lock leaves the live database as it is', async t => {
  const folder = testFolder(t)
  const [path, image] = [join(folder, 'app.db'), join(folder, 'image.db')]
  makeDatabase(path, { rows: 10 }).close()
  makeDatabase(image, { rows: 20 }).close()
  const before = contentOf(path)
  await t.rejects(runEngine('apply-image', {
    target: { path, lockTimeoutMs: 1000 },
    image,
    name: 'image',
    id: 'id',
    lockFile: join(folder, 'engine.lock'),
    safetyCopy: { partial: join(folder, 'nowhere'), path: join(folder, 'backup.db'), latest: null },
    copiedAt: null,
    intentFile: join(folder, 'intent'),
    link: join(folder, 'link'),
    quarantine: join(folder, 'quarantine')
  }), /nowhere/)
  t.same(contentOf(path), before)
  t.notMatch(readdirSync(folder).join(), /intent|backup|link|quarantine/, 'and nothing behind')
})
