import { join } from 'node:path'
import { rmSync } from 'node:fs'
import t from 'tap'
import { updateSnapshotRow } from '../../src/catalog/snapshots.ts'
import { openContext } from '../helpers/open-context.ts'
import { setUpTwo } from '../helpers/two-storages.ts'

t.test('it gets around: the one it is longest ago for that it was looked at, or made', async t => {
  const { writer } = openContext(t)
  t.equal(await writer.verifyNext(), null, 'there is nothing to verify')
  for (const name of ['a', 'b', 'c']) await writer.createSnapshot(name)
  const order: string[] = []
  for (let turn = 0; turn < 5; turn++) {
    order.push(String((await writer.verifyNext())?.snapshot))
    await writer.createSnapshot(`newer-${turn}`)
  }
  t.same(order, ['a', 'b', 'c', 'a', 'newer-0'])
})

t.test('one that is damaged, or cannot be read at all, keeps the others from nothing', async t => {
  const { path, context, writer } = openContext(t)
  const { id } = await writer.createSnapshot('a')
  await writer.createSnapshot('b', { full: true })
  rmSync(join(path, '..', 'backups', 'app', 'packs', id), { recursive: true })
  t.match(await writer.verifyNext(), { snapshot: 'a', isHealthy: false })
  t.match(await writer.verifyNext(), { snapshot: 'b', isHealthy: true })
  updateSnapshotRow(context.catalog, id, { replicas: [{ storage: 'elsewhere', state: 'STORED' }] })
  await t.rejects(writer.verifyNext(), { code: 'FST_SNAPSHOT_DAMAGED' })
  t.match(await writer.verifyNext(), { snapshot: 'b' })
})

t.test('one that is deleted while it is read leaves its turn to the next', async t => {
  const { writer, local } = setUpTwo(t)
  await writer.createSnapshot('a')
  await writer.createSnapshot('b')
  await writer.completeReplicas()
  const get = local.get.bind(local)
  local.get = async (...args) => {
    local.get = get
    await writer.deleteSnapshot('a')
    return await get(...args)
  }
  t.match(await writer.verifyNext(), { snapshot: 'b', isHealthy: true })
  await t.rejects(writer.getSnapshot('a'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
})
