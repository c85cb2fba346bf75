import t from 'tap'
import { flipBit } from '../helpers/damage.ts'
import { contentOf } from '../helpers/databases.ts'
import { change, recoverable, type Recoverable } from '../helpers/recoverable.ts'

const SINCE = "INSERT INTO items (text) VALUES ('since')"

const changes: Array<[what: string, kind: string, change: (setUp: Recoverable) => Promise<unknown>]> = [
  ['rolled back', 'rollback', async ({ writer }) => await writer.recovery.rollback()],
  ['recovered', 'rollback', async ({ writer }) => await writer.recovery.recoverFromFailedRestore('a')],
  ['restored from another snapshot', 'restore', async ({ writer }) => {
    await writer.createSnapshot('b')
    await writer.restoreFromSnapshot('b')
  }],
  ['reset', 'reset', async ({ writer }) => await writer.recovery.emergencyDatabaseReset({ from: 'empty' })]
]
for (const [what, kind, then] of changes) {
  t.test(`where the database was ${what} since a restore, recovery from that restore changes nothing and says so`, async t => {
    const setUp = await recoverable(t)
    const { path, writer } = setUp
    const { restoreId, preRestoreBackup } = await writer.restoreFromSnapshot('a')
    await then(setUp)
    change(path, kind === 'reset' ? 'CREATE TABLE since (id)' : SINCE)
    const content = contentOf(path)
    const [last] = writer.recovery.listRestores()
    t.match(last, { kind, status: 'SUCCESS' })
    t.match(await writer.recovery.recoverFromFailedRestore('a'), { restoreId, isRolledBack: false, backup: preRestoreBackup, safetyCopy: null, supersededBy: last, integrity: { isHealthy: true } })
    t.same(contentOf(path), content)
    t.same(writer.recovery.listRestores()[0], last)
  })
}

t.test('a change that failed since leaves the restore to be recovered from', async t => {
  const { path, writer, before } = await recoverable(t)
  const { preRestoreBackup } = await writer.restoreFromSnapshot('a')
  flipBit(String(preRestoreBackup), 0.5)
  await t.rejects(writer.recovery.rollback(), { code: 'FST_SNAPSHOT_DAMAGED' })
  flipBit(String(preRestoreBackup), 0.5)
  t.match(await writer.recovery.recoverFromFailedRestore('a'), { isRolledBack: true, supersededBy: null })
  t.same(contentOf(path), before)
})

t.test('what is no name of a snapshot is refused', async t => {
  const { writer } = await recoverable(t)
  for (const name of [undefined, null, {}, 3, '']) await t.rejects(writer.recovery.recoverFromFailedRestore(name as never), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /snapshot/ })
})
