import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { MappedFrames } from '../../src/engine/stage/stage-image.ts'
import { packKey } from '../../src/format/keys.ts'
import type { Manifest } from '../../src/format/manifest.ts'
import { encodePackIndex, type PackedFrame } from '../../src/format/pack-index.ts'
import { MAP_MAGIC, SKIPPABLE_HEADER_BYTES, skippableFrame } from '../../src/format/skippable-frame.ts'
import { checkPackEnds } from '../../src/snapshots/check-pack-ends.ts'
import { LocalStorage } from '../../src/storage/local-storage.ts'
import { testFolder } from '../helpers/folder.ts'
import { sampleManifest } from '../helpers/format.ts'

interface Stored { storage: LocalStorage, manifest: Manifest, mapped: MappedFrames, packs: Buffer[], put: (pack: number, bytes: Buffer) => Promise<void> }

/** A snapshot with frames of three packs, the second of which holds its map; it uses one frame of each. */
async function makePacks (t: Test): Promise<Stored> {
  const storage = new LocalStorage(testFolder(t))
  const ids = [randomUUID(), randomUUID(), randomUUID()]
  const frames: PackedFrame[] = [0, 1].map(number => ({ number, offset: number * 100, storedLength: 100, rawLength: 4096, codec: 1, sha256: Buffer.alloc(32, number) }))
  const storedMap = Buffer.from('a map')
  const packs = ids.map(() => Buffer.concat([Buffer.alloc(200, 7), skippableFrame(MAP_MAGIC, storedMap), encodePackIndex(frames)]))
  const manifest = sampleManifest({
    packs: ids.map((id, index) => ({ id, bytes: packs[index]?.length ?? 0, keyId: null, wrappedKey: null })),
    map: { pack: String(ids[1]), offset: 200 + SKIPPABLE_HEADER_BYTES, storedLength: storedMap.length, rawLength: 10, sha256: 'b'.repeat(64), codec: 1 }
  })
  const put = async (pack: number, bytes: Buffer): Promise<void> => { await storage.put(packKey(manifest.database, String(ids[pack])), bytes) }
  for (const [pack, bytes] of packs.entries()) await put(pack, bytes)
  return { storage, manifest, packs, put, mapped: { packs: ids, frames: ids.map((_, pack) => ({ ...frames[pack % 2] as PackedFrame, pack })) } }
}

/** The same bytes with one bit turned around, at a place counted from the end. */
function flipped (bytes: Buffer, fromEnd: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(copy.length - fromEnd) ^ 0x10, copy.length - fromEnd)
  return copy
}

const INDEX_BYTES = 8 + 12 + 2 * 49 + 40

t.test('packs with their maps and indexes as they were written are sound, also one of which the snapshot uses nothing', async t => {
  const { storage, manifest, mapped } = await makePacks(t)
  await checkPackEnds(storage, manifest, mapped)
  await checkPackEnds(storage, manifest, { ...mapped, frames: mapped.frames.slice(0, 2) })
})

t.test('every byte of every index is checked, and in the pack of the map those around it too', async t => {
  const { storage, manifest, mapped, packs, put } = await makePacks(t)
  for (const [pack, bytes] of packs.entries()) {
    const aroundMap = pack === 1 ? [INDEX_BYTES + 5 + 8, INDEX_BYTES + 6] : []
    for (const fromEnd of [...aroundMap, INDEX_BYTES, INDEX_BYTES - 4, INDEX_BYTES - 8, INDEX_BYTES - 25, 60, 40, 8, 5, 4, 1]) {
      await put(pack, flipped(bytes, fromEnd))
      await t.rejects(checkPackEnds(storage, manifest, mapped), { code: 'FST_SNAPSHOT_DAMAGED' }, `pack ${pack}, ${fromEnd} bytes from its end`)
    }
    for (const wrong of [Buffer.concat([bytes, Buffer.from('x')]), bytes.subarray(0, -1), bytes.subarray(0, 20), Buffer.alloc(0)]) {
      await put(pack, wrong)
      await t.rejects(checkPackEnds(storage, manifest, mapped), { code: 'FST_SNAPSHOT_DAMAGED' }, `pack ${pack} with ${wrong.length} bytes`)
    }
    await put(pack, bytes)
  }
  await checkPackEnds(storage, manifest, mapped)
})

t.test('a sound index that says something else of a frame than the map is damage', async t => {
  const { storage, manifest, mapped } = await makePacks(t)
  for (const change of [{ offset: 1 }, { storedLength: 1 }, { rawLength: 1 }, { codec: 2 }, { sha256: Buffer.alloc(32, 9) }, { number: 7 }]) {
    for (const [changed] of mapped.frames.entries()) {
      const frames = mapped.frames.map((frame, index) => index === changed ? { ...frame, ...change } : frame)
      await t.rejects(checkPackEnds(storage, manifest, { ...mapped, frames }), { code: 'FST_SNAPSHOT_DAMAGED', message: /contradicts the page map/ })
    }
  }
})

t.test('a pack that is gone is told apart', async t => {
  const { storage, manifest, mapped } = await makePacks(t)
  await storage.delete(packKey(manifest.database, String(mapped.packs[2])))
  await t.rejects(checkPackEnds(storage, manifest, mapped), { code: 'FST_SNAPSHOT_DAMAGED', cause: { code: 'FST_SNAPSHOT_STORAGE_MISSING' } })
})
