import { rmSync } from 'node:fs'
import { Readable } from 'node:stream'
import { join } from 'node:path'
import t from 'tap'
import { LocalStorage, type Snapshot } from '../../src/index.ts'
import { marksKey } from '../../src/format/keys.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'
import { flipBit } from '../helpers/damage.ts'

/** Gives wrong bytes of marks so many times. */
class NoisyStorage extends LocalStorage {
  noise = 0

  override async get (...args: Parameters<LocalStorage['get']>): Promise<Readable> {
    return args[0].includes('/marks/') && this.noise-- > 0 ? Readable.from([Buffer.from('noise')]) : await super.get(...args)
  }
}

t.test('marks that were changed on the way are read again', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const storage = new NoisyStorage(join(t.testdirName, 'stored'))
  const { id } = await writerFor(t, path, { storage }).createSnapshot('a', { labels: { for: 'test' } })
  storage.noise = 1
  const elsewhere = join(t.testdirName, 'elsewhere')
  const blank = writerFor(t, path, { storage, snapshotDir: elsewhere, recoveryDir: elsewhere })
  await blank.rebuildCatalog()
  t.match(await blank.getSnapshot('a'), { id, pinned: false, labels: { for: 'test' } } satisfies Partial<Snapshot>)
})

t.test('damaged marks may have been a pin: the snapshot is neither changed nor deleted until they are put right', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const storage = new LocalStorage(join(t.testdirName, 'stored'))
  const writer = writerFor(t, path, { storage })
  const { id } = await writer.createSnapshot('a', { labels: { for: 'test' } })
  const file = storage.fileOf(marksKey('app', id))
  flipBit(file, 0.3)
  for (const change of [async () => { await writer.updateSnapshot('a', { pinned: true }) }, async () => { await writer.deleteSnapshot('a') }]) {
    await t.rejects(change(), { code: 'FST_SNAPSHOT_DAMAGED', message: new RegExp(`${id}.json makes no sense`) })
  }
  t.match(await writer.verifySnapshot('a'), { isHealthy: true }, 'it still restores')
  rmSync(file)
  t.match(await writer.updateSnapshot('a', { pinned: true }), { pinned: true, labels: { for: 'test' } })
})
