import { readFileSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { packKey } from '../../../src/format/keys.ts'
import { decodeManifest, type Manifest } from '../../../src/format/manifest.ts'
import { checkedPack } from '../../../src/snapshots/replicas/checked-pack.ts'
import { readAll } from '../../../src/storage/storage-key.ts'
import { filesIn } from '../../helpers/damage.ts'
import { addRows } from '../../helpers/databases.ts'
import { packsIn } from '../../helpers/sharing.ts'
import { setUpTwo, type TwoStorages } from '../../helpers/two-storages.ts'

/** A snapshot of several frames. */
async function stored (t: Test): Promise<TwoStorages & { manifest: Manifest, file: string }> {
  const setup = setUpTwo(t)
  addRows(setup.application, 20_000)
  await setup.writer.createSnapshot('a')
  await setup.writer.completeReplicas()
  const manifest = decodeManifest(readFileSync(filesIn(setup.backups).find(file => file.includes('/snapshots/'))!))
  return { ...setup, manifest, file: packsIn(setup.remote.root)[0]! }
}

const read = async ({ remote, manifest }: { remote: TwoStorages['remote'], manifest: Manifest }): Promise<Buffer> =>
  await readAll(checkedPack(remote, manifest, manifest.packs[0]!, new AbortController().signal))

t.test('a sound pack comes as it is', async t => {
  const setup = await stored(t)
  t.ok((await read(setup)).equals(readFileSync(setup.file)))
})

t.test('however its bytes are cut into chunks', async t => {
  const setup = await stored(t)
  const { get } = setup.remote
  for (const size of [7, 4096, 100_000]) {
    setup.remote.get = async (key, options) => {
      const stream = await get.call(setup.remote, key, options)
      return options?.range === undefined ? Readable.from(cut(await readAll(stream), size)) : stream
    }
    t.ok((await read(setup)).equals(readFileSync(setup.file)), `${size} bytes`)
  }
})

function * cut (bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

for (const [where, at] of Object.entries<(manifest: Manifest, bytes: number) => number>({
  'in the first frame': () => 20,
  'in a later frame': manifest => Math.floor(manifest.map.offset * 0.9),
  'in the page map': manifest => manifest.map.offset + 3,
  'in the index': (_manifest, bytes) => bytes - 60
})) {
  t.test(`a bit that has turned around ${where} is found`, async t => {
    const setup = await stored(t)
    const bytes = readFileSync(setup.file)
    const position = at(setup.manifest, bytes.length)
    bytes[position] = bytes[position]! ^ 4
    writeFileSync(setup.file, bytes)
    await t.rejects(read(setup), { code: 'FST_SNAPSHOT_DAMAGED', pack: setup.manifest.packs[0]!.id })
  })
}

t.test('a pack that ends too early or too late, or is gone, is damaged', async t => {
  const setup = await stored(t)
  const bytes = readFileSync(setup.file)
  for (const other of [bytes.subarray(0, 100), bytes.subarray(0, bytes.length - 1), Buffer.concat([bytes, Buffer.alloc(1)])]) {
    writeFileSync(setup.file, other)
    await t.rejects(read(setup), { code: 'FST_SNAPSHOT_DAMAGED' })
  }
  await setup.remote.delete(packKey('app', setup.manifest.packs[0]!.id))
  await t.rejects(read(setup), { code: 'FST_SNAPSHOT_DAMAGED', cause: { code: 'FST_SNAPSHOT_STORAGE_MISSING' } })
})

t.test('a pack that is cut short after its index was read is not taken for whole', async t => {
  const setup = await stored(t)
  const { get } = setup.remote
  setup.remote.get = async (key, options) => {
    const stream = await get.call(setup.remote, key, options)
    return options?.range === undefined ? Readable.from([(await readAll(stream)).subarray(0, 5000)]) : stream
  }
  await t.rejects(read(setup), { code: 'FST_SNAPSHOT_DAMAGED', message: /has 5000 of \d+ bytes/ })
})
