import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LocalStorage } from '../../../src/index.ts'
import type { SnapshotContext } from '../../../src/snapshots/context.ts'
import { lockStorage } from '../../../src/snapshots/replicas/lock-storage.ts'
import { testFolder } from '../../helpers/folder.ts'

t.test('one at a time has the right to a storage, and who has no folder for it is told so', async t => {
  const snapshotDir = testFolder(t)
  const context = { settings: { snapshotDir, databaseName: 'app' } } as unknown as SnapshotContext
  const storage = new LocalStorage(snapshotDir)
  await t.rejects(lockStorage(context, storage, 0), { code: 'ENOENT' })
  mkdirSync(join(snapshotDir, '.locks'))
  const lock = await lockStorage(context, storage, 0)
  t.equal(await lockStorage(context, storage, 50), null)
  lock?.release()
  const next = await lockStorage(context, storage, 0)
  t.not(next, null)
  next?.release()
})
