import { readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fileBehind, freshFile, removeFresh } from '../../../src/engine/apply/own-files.ts'
import { testFolder } from '../../helpers/folder.ts'

const [one, other] = ['01234567-89ab-4cde-8f01-23456789abcd', '11234567-89ab-4cde-8f01-23456789abcd'] as const

t.test('links are followed to where the database is, or would be made', async t => {
  const folder = testFolder(t, { real: { 'data.db': 'x' } })
  symlinkSync(join('real', 'data.db'), join(folder, 'there.db'))
  symlinkSync(join('real', 'new.db'), join(folder, 'nowhere.db'))
  symlinkSync('nowhere.db', join(folder, 'far.db'))
  t.equal(fileBehind(join(folder, 'there.db')), join(folder, 'real', 'data.db'))
  t.equal(fileBehind(join(folder, 'far.db')), join(folder, 'real', 'new.db'))
  t.equal(fileBehind(join(folder, 'none.db')), join(folder, 'none.db'))
})

t.test('new files of one change are removed, or of all, and nothing else', async t => {
  const names = [`app.db.${one}.fresh`, `app.db.${other}.fresh`]
  const others = ['app.db', 'app.db.fresh', 'app.db.mine.fresh', `app.db.${one}.old`, `other.db.${one}.fresh`]
  const folder = testFolder(t, Object.fromEntries([...names, ...others].map(name => [name, 'x'])))
  const path = join(folder, 'app.db')
  t.equal(freshFile(path, one), join(folder, names[0]!))
  removeFresh(path, one)
  t.same(readdirSync(folder).sort(), [names[1], ...others].sort())
  removeFresh(path)
  t.same(readdirSync(folder).sort(), others.sort())
  removeFresh(join(folder, 'gone', 'app.db'))
})
