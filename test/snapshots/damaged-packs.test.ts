import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { filesIn } from '../helpers/damage.ts'
import { contentOf } from '../helpers/databases.ts'
import { writerFor } from '../helpers/round-trip.ts'
import { changeRow, FailingStorage, packsIn, setUp, setUpFailing, type Setup } from '../helpers/sharing.ts'

/*
 * Packs are shared, so damage of one concerns several snapshots: what is known of it must not be forgotten.
 */

/** Turns a bit of a frame around in the pack that a snapshot added. */
function damagePackOf (backups: string, id: string): void {
  const pack = packsIn(backups).find(file => file.includes(id)) as string
  const bytes = readFileSync(pack)
  bytes[100] = bytes[100]! ^ 1
  writeFileSync(pack, bytes)
}

async function chain (setup: Setup, names: string[]): Promise<string[]> {
  const ids: string[] = []
  for (const name of names) {
    changeRow(setup, ids.length + 1)
    ids.push((await setup.writer.createSnapshot(name)).id)
  }
  return ids
}

async function checkSound (t: Test, { writer, path }: Setup, name: string): Promise<void> {
  await writer.createSnapshot(name)
  t.match(await writer.verifySnapshot(name), { isHealthy: true }, 'the next snapshot is sound')
  const content = contentOf(path)
  await writer.restoreFromSnapshot(name)
  t.same(contentOf(path), content)
}

t.test('a damaged pack is not shared any more when the snapshot it was found by is deleted', async t => {
  const setup = setUp(t)
  const [base] = await chain(setup, ['a', 'b', 'c'])
  damagePackOf(setup.backups, base!)
  t.match(await setup.writer.verifySnapshot('c'), { isHealthy: false })
  await setup.writer.deleteSnapshot('c')
  await checkSound(t, setup, 'd')
})

for (const [how, meet] of Object.entries<(setup: Setup) => Promise<unknown>>({
  restore: async ({ writer }) => await writer.restoreFromSnapshot('b'),
  'restore to a file': async ({ writer, path }) => await writer.restoreToFile('b', `${path}.copy`),
  download: async ({ writer }) => await writer.downloadSnapshot('b')
})) {
  t.test(`damage that a ${how} meets is remembered`, async t => {
    const setup = setUp(t)
    const [base] = await chain(setup, ['a', 'b'])
    damagePackOf(setup.backups, base!)
    await t.rejects(meet(setup), { code: 'FST_SNAPSHOT_DAMAGED' })
    t.match(await setup.writer.getSnapshot('b'), { replicas: [{ state: 'DAMAGED' }] })
    await checkSound(t, setup, 'c')
  })
}

t.test('damage of a shared pack concerns all snapshots that need it: latest and retention leave them out', async t => {
  const setup = setUp(t)
  const { writer, backups } = setup
  const first = await writer.createScheduledSnapshot(10)
  changeRow(setup, 1)
  const base = await writer.createSnapshot('base', { full: true })
  changeRow(setup, 2)
  await writer.createScheduledSnapshot(10)
  damagePackOf(backups, base.id)
  await writer.verifySnapshot('latest')
  t.match(await writer.getSnapshot('base'), { replicas: [{ state: 'DAMAGED' }] })
  t.equal((await writer.getSnapshot('latest')).id, first.id)
  await writer.createScheduledSnapshot(2)
  t.match(await writer.verifySnapshot(first.id), { isHealthy: true }, 'the sound one is kept')
})

t.test('of a damaged chain only the damaged pack is given up', async t => {
  const setup = setUp(t)
  const [, , last] = await chain(setup, ['a', 'b', 'c'])
  damagePackOf(setup.backups, last!)
  await setup.writer.verifySnapshot('c')
  t.match(await setup.writer.getSnapshot('b'), { replicas: [{ state: 'STORED' }] })
  const next = await setup.writer.createSnapshot('d')
  t.not(next.parentId, null)
  t.match(await setup.writer.verifySnapshot('d'), { isHealthy: true })
})

t.test('a damaged manifest says nothing against other snapshots, but its packs are not shared', async t => {
  const setup = setUp(t)
  const [, b] = await chain(setup, ['a', 'b'])
  writeFileSync(join(setup.backups, 'app', 'snapshots', `${b}.json`), 'damaged')
  await setup.writer.verifySnapshot('b')
  t.match(await setup.writer.getSnapshot('a'), { replicas: [{ state: 'STORED' }] })
  t.match(await setup.writer.createSnapshot('c'), { parentId: null })
})

t.test('a sibling that does not need what is damaged counts as sound again once it is verified', async t => {
  const setup = setUp(t)
  const [, b] = await chain(setup, ['a', 'b', 'c'])
  const pack = packsIn(setup.backups).find(file => file.includes(b!)) as string
  rmSync(pack)
  t.match(await setup.writer.verifySnapshot('c'), { isHealthy: false })
  t.match(await setup.writer.getSnapshot('b'), { replicas: [{ state: 'MISSING' }] })
  t.match(await setup.writer.verifySnapshot('a'), { isHealthy: true })
})

t.test('known damage is not forgotten over a creation that failed', async t => {
  const setup = setUpFailing(t)
  const [a] = await chain(setup, ['a'])
  setup.storage.failing = /\/snapshots\//
  changeRow(setup, 5)
  await t.rejects(setup.writer.createSnapshot('failed'))
  setup.storage.failing = /no key/
  damagePackOf(setup.backups, a!)
  await setup.writer.verifySnapshot('a')
  await checkSound(t, setup, 'next')
})

t.test('a pack that goes while a snapshot that shares it is stored makes that fail', async t => {
  class ForgetfulStorage extends FailingStorage {
    override async put (...args: Parameters<FailingStorage['put']>): ReturnType<FailingStorage['put']> {
      const stored = await super.put(...args)
      if (args[0].includes('/snapshots/') && packsIn(this.root).length > 1) for (const file of packsIn(this.root).filter(file => file.includes(this.puts[0]!))) rmSync(file)
      return stored
    }
  }
  const setup = setUpFailing(t, ForgetfulStorage)
  await chain(setup, ['a'])
  changeRow(setup, 5)
  await t.rejects(setup.writer.createSnapshot('b'), { code: 'FST_SNAPSHOT_CREATE_FAILED', message: /removed meanwhile/ })
  await checkSound(t, setup, 'c')
})

t.test('creations that fail one after the other keep one pack, or none that cannot be shared', async t => {
  const setup = setUpFailing(t)
  setup.storage.failing = /\/snapshots\//
  for (let number = 0; number < 3; number++) {
    setup.application.exec('UPDATE items SET data = randomblob(200)')
    await t.rejects(setup.writer.createSnapshot('wanted', { labels: { a: 'b' } }))
    t.equal(packsIn(setup.backups).length, 1)
    t.equal(filesIn(setup.backups).length, 1, 'and no marks')
  }
  const never = writerFor(t, setup.path, { storage: setup.storage, maxParentAge: 0 })
  await t.rejects(never.createSnapshot('wanted'))
  t.same(filesIn(setup.backups), [])
})

t.test('a failed snapshot that is deleted while the storage fails is removed later', async t => {
  const setup = setUpFailing(t)
  setup.storage.failing = /\/snapshots\//
  await t.rejects(setup.writer.createSnapshot('failed'))
  setup.storage.failing = /no key/
  setup.storage.deletes = false
  await setup.writer.deleteSnapshot('failed')
  await setup.writer.settle()
  t.equal(packsIn(setup.backups).length, 1)
  setup.storage.deletes = true
  await setup.writer.settle()
  t.same(packsIn(setup.backups), [])
})

t.test('a manifest that was stored though its creation failed is removed, with everything else, in the end', async t => {
  class DeafStorage extends FailingStorage {
    isDeaf = true
    override async put (...args: Parameters<FailingStorage['put']>): ReturnType<FailingStorage['put']> {
      const stored = await super.put(...args)
      if (this.isDeaf && args[0].includes('/snapshots/')) throw Object.assign(new Error('the answer was lost'), { code: 'FST_SNAPSHOT_STORAGE_FAILED' })
      return stored
    }
  }
  const setup = setUpFailing(t, DeafStorage)
  setup.storage.deletes = false
  await t.rejects(setup.writer.createSnapshot('failed'))
  t.equal(filesIn(setup.backups).length, 2)
  Object.assign(setup.storage, { deletes: true, isDeaf: false })
  changeRow(setup, 1)
  await setup.writer.createSnapshot('next')
  t.match(await setup.writer.verifySnapshot('next'), { isHealthy: true })
  await setup.writer.deleteSnapshot('next')
  t.same(filesIn(setup.backups), [])
})

t.test('a page cache that cannot be kept costs full snapshots, not their failure', async t => {
  const setup = setUp(t)
  writeFileSync(join(setup.backups, '.cache'), 'a file where the folder should be')
  for (const name of ['a', 'b']) t.match(await setup.writer.createSnapshot(name), { parentId: null })
  t.match(await setup.writer.verifySnapshot('b'), { isHealthy: true })
})

t.test('a storage that does not say what it has gets full snapshots', async t => {
  class SilentStorage extends FailingStorage {
    override async head (): Promise<never> { throw Object.assign(new Error('forbidden'), { code: 'FST_SNAPSHOT_STORAGE_FAILED' }) }
    override async delete (): Promise<void> {}
  }
  const setup = setUpFailing(t, SilentStorage)
  for (const name of ['a', 'b']) t.match(await setup.writer.createSnapshot(name), { parentId: null })
})
