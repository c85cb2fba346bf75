import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { S3Storage } from '../../../src/index.ts'
import { contentOf } from '../../helpers/databases.ts'
import { allOf, deploy, hostOn, namesOf } from '../../helpers/deployments.ts'
import { testFolder } from '../../helpers/folder.ts'
import { openPlace, sharedPlaces } from '../../helpers/shared-places.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'

for (const { what, skip, make } of sharedPlaces) {
  t.test(`two deployments share ${what}`, { skip }, async t => {
    t.test('each sees at once what the other has made, and at the next look what it has deleted', async t => {
      testFolder(t)
      const place = await make(t)
      const [one, two] = [deploy(t, 'one', openPlace(place), { storage: openPlace(place) }), deploy(t, 'two', openPlace(place), { storage: openPlace(place) })]
      await t.rejects(two.writer.getSnapshot('a'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
      await t.rejects(two.writer.getSnapshot('latest'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
      for (const name of ['a', 'b', 'c']) {
        one.application.prepare('UPDATE items SET text = ? WHERE id = 1').run(name)
        const { id } = await one.writer.createSnapshot(name)
        if (name !== 'c') t.match(await two.writer.getSnapshot(name), { id })
        t.match(await two.writer.getSnapshot('latest'), { id }, 'without one of its own, the newest is the other\'s')
      }
      const content = contentOf(one.path)
      t.match(await two.writer.restoreFromSnapshot('latest'), { snapshot: { name: 'c' } })
      t.same(contentOf(two.path), content)

      await one.writer.deleteSnapshot('a')
      await two.writer.rebuildCatalog()
      await t.rejects(two.writer.getSnapshot('a'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
      await one.writer.deleteSnapshot('b')
      await t.rejects(two.writer.restoreToFile('b', join(two.folder, 'b.db')), { code: 'FST_SNAPSHOT_NOT_FOUND', message: /no snapshot "b" any more: the deployment that made it has deleted it/ })
      await two.writer.rebuildCatalog()
      t.same(namesOf(await allOf(two.writer)), ['c'], 'what was missed on a try vanishes as well')
      t.match(two.writer.health(), { status: 'ok' })

      const own = await two.writer.createSnapshot('c')
      t.match(await two.writer.getSnapshot('latest'), { id: own.id }, 'its own comes first')
      t.match(await one.writer.getSnapshot('c'), { source: (await one.writer.getSnapshot('latest')).source })
    })

    t.test('what one is uploading is left alone by the start and the work of the other', { skip: what === 'a remote folder' && 'it has no uploads in parts' }, async t => {
      testFolder(t)
      const place = await make(t)
      const [key, part] = [`app/packs/${randomUUID()}/data.zst`, randomBytes(6 * 2 ** 20)]
      const goOn = Promise.withResolvers<void>()
      const sent = Promise.withResolvers<void>()
      const body = async function * (): AsyncGenerator<Buffer> {
        yield part
        sent.resolve()
        await goOn.promise
        yield part
      }
      const upload = (openPlace(place) as S3Storage).put(key, body())
      await sent.promise
      const other = deploy(t, 'other', openPlace(place), { storage: openPlace(place) })
      await other.writer.settle()
      await other.writer.createSnapshot('a')
      other.application.exec('DELETE FROM items')
      await other.writer.createSnapshot('b', { full: true })
      await other.writer.deleteSnapshot('a')
      goOn.resolve()
      t.match(await upload, { bytes: 2 * part.length })
      t.match(await other.remote.head(key), { bytes: 2 * part.length })
    })
  })
}

t.test('the newest of several other deployments is that of the latest time, whatever its number', async t => {
  testFolder(t)
  const place = { root: join(t.testdirName, 'remote') }
  const [one, two] = [deploy(t, 'one', openPlace(place)), deploy(t, 'two', openPlace(place))]
  await two.writer.listSnapshots()
  for (const name of ['a', 'b', 'c']) await one.writer.createSnapshot(name)
  const { id } = await two.writer.createSnapshot('newer')
  for (const { writer } of [one, two]) await writer.completeReplicas()
  t.match(await deploy(t, 'third', openPlace(place)).writer.getSnapshot('latest'), { id })
})

t.test('snapshots of another deployment that were gone for a while, as with a storage that was not there, come back', async t => {
  testFolder(t)
  const place = { root: join(t.testdirName, 'remote') }
  const one = deploy(t, 'one', openPlace(place))
  const { id } = await one.writer.createSnapshot('a', { labels: { is: 'a' } })
  await one.writer.completeReplicas()
  const { writer } = deploy(t, 'two', openPlace(place))
  await writer.rebuildCatalog()
  renameSync(place.root, `${place.root}.away`)
  await writer.rebuildCatalog()
  t.same(await allOf(writer), [])
  renameSync(`${place.root}.away`, place.root)
  t.match(await writer.rebuildCatalog(), { added: 1 })
  t.match(await writer.getSnapshot('a'), { id, labels: { is: 'a' }, replicas: [{ storage: 'remote', state: 'STORED' }] })
})

t.test('a blank machine whose storage cannot be asked says so, and not that there is nothing', async t => {
  testFolder(t)
  const remote = new RemoteStorage(join(t.testdirName, 'remote'))
  const one = deploy(t, 'one', remote)
  await one.writer.createSnapshot('a')
  await one.writer.completeReplicas()
  const blank = join(t.testdirName, 'blank')
  mkdirSync(blank)
  const lost = new RemoteStorage(remote.root)
  lost.isDown = true
  const { writer } = hostOn(t, blank, lost)
  for (const reference of ['latest', 'a']) await t.rejects(writer.restoreFromSnapshot(reference), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
  lost.isDown = false
  await writer.completeReplicas()
  t.match(await writer.restoreFromSnapshot('latest'), { snapshot: { name: 'a' } })
  lost.isDown = true
  await t.rejects(writer.getSnapshot('b'), { code: 'FST_SNAPSHOT_NOT_FOUND' })
})
