import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Snapshot } from '../../../src/index.ts'
import { contentOf } from '../../helpers/databases.ts'
import { allOf, hostOn, jsonIn, keysIn, loseCatalog, namesOf } from '../../helpers/deployments.ts'
import { testFolder } from '../../helpers/folder.ts'
import { checkAllRestore, makeHistory } from '../../helpers/history.ts'
import { openPlace, sharedPlaces } from '../../helpers/shared-places.ts'

const comparable = ({ id, name, pinned, labels, size, checksum, parentId, createdAt, trigger, source }: Snapshot): object => ({ id, name, pinned, labels, size, checksum, parentId, createdAt, trigger, source })

for (const { what, skip, make } of sharedPlaces) {
  t.test(`the machine is lost, ${what} is left`, { skip }, async t => {
    t.test('a blank machine brings the newest one back in one call, also where no database file is', async t => {
      testFolder(t)
      const place = await make(t)
      const { before, contents } = await makeHistory(t, openPlace(place))
      const newest = contents.get((before.at(-1) as Snapshot).name)
      const blank = join(t.testdirName, 'blank')
      mkdirSync(blank)
      const { writer, path } = hostOn(t, blank, openPlace(place))
      t.notOk(existsSync(path))
      t.match(await writer.restoreFromSnapshot('latest'), { status: 'SUCCESS' })
      t.same(contentOf(path), newest)

      const other = join(t.testdirName, 'other')
      mkdirSync(other)
      const next = hostOn(t, other, openPlace(place))
      await next.writer.restoreToFile('latest', join(other, 'new', 'app.db'))
      t.same(contentOf(join(other, 'new', 'app.db')), newest)
      t.notOk(existsSync(next.path))
    })

    t.test('a deployment that lost its catalog and its local snapshots, but knows who it is, goes on as before', async t => {
      testFolder(t)
      const place = await make(t)
      const old = await makeHistory(t, openPlace(place))
      await loseCatalog(old)
      rmSync(join(old.snapshotDir, 'app'), { recursive: true })
      const again = hostOn(t, old.folder, openPlace(place))
      t.same((await allOf(again.writer)).map(comparable), old.before.map(comparable), 'all are there, in their order, with pins and labels')
      t.match(again.writer.health(), { sources: [] })
      await checkAllRestore(t, again, old.contents)

      old.application.exec('DELETE FROM items WHERE id = 30')
      const created = await again.writer.createSnapshot('next')
      const sequenceOf = async ({ id }: Snapshot): Promise<number> => Number((await jsonIn(again.remote, `app/snapshots/${id}.json`)).sequence)
      await again.writer.completeReplicas()
      t.ok(await sequenceOf(created) > await sequenceOf(old.before.at(-1) as Snapshot), 'sequences go on')
      old.application.exec('DELETE FROM items WHERE id = 31')
      t.match(await again.writer.createSnapshot('incremental'), { parentId: String })
      const scheduled = old.before.at(-1) as Snapshot
      for (let round = 0; round < 2; round++) await again.writer.createScheduledSnapshot(2)
      await t.rejects(again.writer.getSnapshot(scheduled.id), { code: 'FST_SNAPSHOT_NOT_FOUND' }, 'retention goes on')
      t.match(await again.writer.updateSnapshot('first', { pinned: true, labels: { kept: 'yes' } }), { pinned: true })
      await again.writer.updateSnapshot('pinned', { pinned: false })
      await again.writer.deleteSnapshot('pinned')
      await again.writer.completeReplicas()
      t.notOk((await keysIn(again.remote)).some(key => key.includes(old.before.find(({ name }) => name === 'pinned')!.id) && !key.includes('/packs/')))

      await loseCatalog(again)
      rmSync(join(old.snapshotDir, 'app'), { recursive: true })
      const third = hostOn(t, old.folder, openPlace(place))
      const listed = await allOf(third.writer)
      t.same(namesOf(listed).slice(0, 4), ['first', 'labelled', 'next', 'incremental'])
      t.match(listed[0], { pinned: true, labels: { kept: 'yes' } }, 'what was changed after the first loss survives a second one')
    })
  })
}
