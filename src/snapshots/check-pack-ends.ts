import { asDamage } from '../engine/stage/snapshot-damage.ts'
import type { MappedFrames } from '../engine/stage/stage-image.ts'
import { MAXIMUM_FRAME_BYTES } from '../format/frame.ts'
import { packKey } from '../format/keys.ts'
import type { Manifest } from '../format/manifest.ts'
import { decodePackIndex, encodePackIndex, packIndexBytes, TRAILER_BYTES, type PackedFrame } from '../format/pack-index.ts'
import { MAP_MAGIC, SKIPPABLE_HEADER_BYTES, skippableFrame } from '../format/skippable-frame.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import { readAll } from '../storage/storage-key.ts'
import { missingAsDamage } from './stored-snapshot.ts'

/**
 * Checks what a restore does without: the index at the end of every pack, whether it says of the snapshot's frames what the
 * page map says, and the frames around it and the map.
 * @throws FST_SNAPSHOT_DAMAGED
 */
export async function checkPackEnds (storage: SnapshotStorage, manifest: Manifest, { packs, frames }: MappedFrames): Promise<void> {
  const framesOf = Map.groupBy(frames, ({ pack }) => packs[pack])
  for (const pack of manifest.packs) {
    await missingAsDamage(async () => await asDamage(pack.id, async () => {
      const index = pack.id === manifest.map.pack ? await indexBehindMap(storage, manifest, pack) : await readPackIndex(storage, manifest.database, pack)
      if (!(framesOf.get(pack.id) ?? []).every(frame => isSame(frame, index[frame.number]))) throw new Error(`the index of pack ${pack.id} contradicts the page map`)
    }))
  }
}

type Pack = Manifest['packs'][number]

/** Everything from the map's frame on is in known places. */
async function indexBehindMap (storage: SnapshotStorage, { database, map }: Manifest, { id, bytes }: Pack): Promise<PackedFrame[]> {
  const offset = map.offset - SKIPPABLE_HEADER_BYTES
  const end = await readToEnd(storage, packKey(database, id), offset, bytes)
  const index = decodePackIndex(end)
  const storedMap = end.subarray(SKIPPABLE_HEADER_BYTES, SKIPPABLE_HEADER_BYTES + map.storedLength)
  if (!Buffer.concat([skippableFrame(MAP_MAGIC, storedMap), encodePackIndex(index)]).equals(end)) throw new Error(`the end of pack ${id} is not what was written`)
  return index
}

/** The index at the end of a pack; where it begins is known from its own last bytes. */
export async function readPackIndex (storage: SnapshotStorage, database: string, { id, bytes }: Pick<Pack, 'id' | 'bytes'>): Promise<PackedFrame[]> {
  const key = packKey(database, id)
  const length = packIndexBytes(await readToEnd(storage, key, Math.max(bytes - TRAILER_BYTES, 0), bytes))
  if (length > Math.min(bytes, 2 * MAXIMUM_FRAME_BYTES)) throw new Error(`the index of pack ${id} has an impossible length`)
  const end = await readToEnd(storage, key, bytes - length, bytes)
  const index = decodePackIndex(end)
  if (!encodePackIndex(index).equals(end)) throw new Error(`the end of pack ${id} is not what was written`)
  return index
}

/** One byte more is asked for, to see that the pack ends where it should. */
async function readToEnd (storage: SnapshotStorage, key: string, offset: number, bytes: number): Promise<Buffer> {
  const end = await readAll(await storage.get(key, { range: { offset, length: bytes - offset + 1 } }))
  if (end.length !== bytes - offset) throw new Error(`${key} does not have its ${bytes} bytes`)
  return end
}

function isSame (frame: PackedFrame, other: PackedFrame | undefined): boolean {
  return other !== undefined && (['offset', 'storedLength', 'rawLength', 'codec'] as const).every(field => frame[field] === other[field]) && frame.sha256.equals(other.sha256)
}
