import t from 'tap'
import { findById } from '../../src/catalog/snapshots.ts'
import { recordReplica } from '../../src/catalog/replicas.ts'
import { errors } from '../../src/index.ts'
import { notingDamage } from '../../src/snapshots/note-damage.ts'
import { openContext } from '../helpers/open-context.ts'

t.test('what was removed from a storage while it was read is not damaged', async t => {
  const { context, writer } = openContext(t)
  const { id } = await writer.createSnapshot('a')
  const row = findById(context.catalog, id)!
  const read = async (): Promise<void> => { await notingDamage(context, row, context.primary, async () => { throw new errors.SnapshotDamagedError('a part is missing') }) }
  recordReplica(context.catalog, id, 'local', null)
  await t.rejects(read(), { code: 'FST_SNAPSHOT_DAMAGED' })
  t.same(findById(context.catalog, id)?.replicas, [])
  recordReplica(context.catalog, id, 'local', 'STORED')
  await t.rejects(read(), { code: 'FST_SNAPSHOT_DAMAGED' })
  t.same(findById(context.catalog, id)?.replicas, [{ storage: 'local', state: 'DAMAGED' }])
})
