import { renameSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { contentOf } from '../helpers/databases.ts'
import { openWriter, recoverable } from '../helpers/recoverable.ts'

t.test('where the folder of a deployment was moved, its restores and their backups still belong together', async t => {
  const { folder, writer, before } = await recoverable(t)
  const { restoreId } = await writer.restoreFromSnapshot('a')
  await writer.close()
  const moved = join(folder, '..', 'moved')
  renameSync(folder, moved)
  const path = join(moved, 'app.db')
  const { recovery } = openWriter(t, path).writer
  const [backup] = recovery.listPreRestoreBackups()
  t.match(backup, { snapshot: 'a', restoreId })
  t.match(recovery.listRestores(), [{ id: restoreId, preRestoreBackup: backup!.path }])
  t.match(await recovery.recoverFromFailedRestore('a'), { restoreId, isRolledBack: true, backup: backup!.path })
  t.same(contentOf(path), before)
})
