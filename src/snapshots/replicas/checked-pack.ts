import { createHash } from 'node:crypto'
import { SnapshotDamagedError, aboutPack } from '../../errors.ts'
import { packKey } from '../../format/keys.ts'
import type { Manifest } from '../../format/manifest.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import { readPackIndex } from '../check-pack-ends.ts'
import { missingAsDamage } from '../stored-snapshot.ts'

/** Bytes whose digest is known. */
interface Span { offset: number, length: number, sha256: string }

/**
 * The bytes of a pack, each frame held against its digest on the way, so that a copy is never worse than what was made.
 * @throws FST_SNAPSHOT_DAMAGED at the first frame that is not what was written
 */
export async function * checkedPack (storage: SnapshotStorage, { database, map }: Manifest, pack: Manifest['packs'][number], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield * await missingAsDamage(async () => {
      const frames = await readPackIndex(storage, database, pack)
      const spans: Span[] = frames.map(({ offset, storedLength, sha256 }) => ({ offset, length: storedLength, sha256: sha256.toString('hex') }))
      if (map.pack === pack.id) spans.push({ offset: map.offset, length: map.storedLength, sha256: map.sha256 })
      return checked(await storage.get(packKey(database, pack.id), { signal }), spans, pack)
    })
  } catch (error) {
    throw aboutPack(error, pack.id)
  }
}

async function * checked (chunks: AsyncIterable<Uint8Array>, spans: Span[], { id, bytes }: Manifest['packs'][number]): AsyncGenerator<Uint8Array> {
  const waiting = spans.toSorted((a, b) => a.offset - b.offset)
  let [at, digest] = [0, createHash('sha256')]
  for await (const chunk of chunks) {
    for (let done = 0; done < chunk.length;) {
      const span = waiting[0]
      if (span === undefined) break
      const start = Math.max(done, span.offset - at)
      const end = Math.min(chunk.length, span.offset + span.length - at)
      if (start < end) digest.update(chunk.subarray(start, end))
      done = Math.max(end, done)
      if (at + end < span.offset + span.length) break
      if (digest.digest('hex') !== span.sha256) throw new SnapshotDamagedError(`a frame of pack ${id} at ${span.offset} is not what was written`)
      waiting.shift()
      digest = createHash('sha256')
    }
    at += chunk.length
    yield chunk
  }
  if (at !== bytes || waiting.length > 0) throw new SnapshotDamagedError(`pack ${id} has ${at} of ${bytes} bytes`)
}
