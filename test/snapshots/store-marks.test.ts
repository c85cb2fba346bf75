import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { join } from 'node:path'
import t from 'tap'
import { LocalStorage, type Snapshot } from '../../src/index.ts'
import { marksKey } from '../../src/format/keys.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { writerFor } from '../helpers/round-trip.ts'
import { flipBit } from '../helpers/damage.ts'

/** Gives wrong bytes of marks so many times. */
class NoisyStorage extends LocalStorage {
  noise = 0

  override async get (...args: Parameters<LocalStorage['get']>): Promise<Readable> {
    return args[0].includes('/marks/') && this.noise-- > 0 ? Readable.from([Buffer.from('noise')]) : await super.get(...args)
  }
}

for (const [what, noise, isDamaged, pinned, labels] of [
  ['were changed on the way are read again', 1, false, false, { for: 'test' }],
  ['are damaged count as a pin, so that the snapshot is kept', 0, true, true, {}]
] as const) {
  t.test(`marks that ${what}`, async t => {
    const path = join(t.testdir(), 'app.db')
    makeDatabase(path).close()
    const storage = new NoisyStorage(join(t.testdirName, 'stored'))
    const { id } = await writerFor(t, path, { storage }).createSnapshot('a', { labels: { for: 'test' } })
    if (isDamaged) flipBit(storage.fileOf(marksKey('app', id)), 0.3)
    storage.noise = noise
    const blank = writerFor(t, path, { storage, snapshotDir: join(t.testdirName, 'blank') })
    await blank.rebuildCatalog()
    t.match(await blank.getSnapshot('a'), { id, pinned, labels } satisfies Partial<Snapshot>)
  })
}

t.test('damaged marks can be replaced by those who own the snapshot', async t => {
  const path = join(t.testdir(), 'app.db')
  makeDatabase(path).close()
  const storage = new LocalStorage(join(t.testdirName, 'stored'))
  const writer = writerFor(t, path, { storage })
  const { id } = await writer.createSnapshot('a', { labels: { for: 'test' } })
  writeFileSync(storage.fileOf(marksKey('app', id)), randomUUID())
  t.match(await writer.updateSnapshot('a', { pinned: true }), { pinned: true, labels: { for: 'test' } })
})
