import t from 'tap'
import { LocalStorage } from '../../src/index.ts'
import { deleteAll } from '../../src/storage/delete-all.ts'
import { keysOf } from './conformance/helpers.ts'
import { testFolder } from '../helpers/folder.ts'

class Stubborn extends LocalStorage {
  override async delete (key: string): Promise<void> {
    if (key.includes('locked')) throw new Error(key)
    await super.delete(key)
  }
}

t.test('what cannot be deleted hinders no others, and the first failure is told', async t => {
  const storage = new Stubborn(testFolder(t))
  const keys = ['app/1', 'app/locked-2', 'app/3', 'app/locked-4', 'app/5']
  for (const key of keys) await storage.put(key, Buffer.from('x'))
  await t.rejects(deleteAll(storage, keys), { message: 'app/locked-2' })
  t.same(await keysOf(storage, ''), ['app/locked-2', 'app/locked-4'])
})
