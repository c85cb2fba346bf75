import { rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { messageOf, SnapshotDamagedError } from '../errors.ts'
import { sha256Hex } from '../format/checksum.ts'
import { decompressFrame } from '../format/frame.ts'
import type { Manifest } from '../format/manifest.ts'
import { decodePageMap, type PageMap } from '../format/page-map.ts'
import { RunsByFrame } from '../format/runs-by-frame.ts'
import { assembleImage } from './assemble-image.ts'
import { inspect } from './check-integrity.ts'
import { checksumInOrder, checksumReadBack, treeChecksum } from './image-checksum.ts'
import { ImageFile } from './image-file.ts'
import type { EngineContext, PackRange } from './messages.ts'
import { localPacks, type PackFiles } from './local-packs.ts'
import type { PackSource } from './pack-source.ts'
import { asDamage } from './snapshot-damage.ts'
import { streamedPacks } from './streamed-packs.ts'
import { explainedAsync } from './target-database.ts'

export interface StageImageInput {
  manifest: Pick<Manifest, 'image' | 'map'>
  /** Where the image goes; nothing exists there yet. */
  file: string
  /** `not` verifies every stored byte; the file is then made only where the checksum asks for it. `durably` fsyncs it. */
  keep: 'not' | 'for now' | 'durably'
  /** The packs, where they are files of this machine; null where the host sends what is asked for. */
  packFiles: PackFiles | null
}

/** What stands in which pack. */
export type MappedFrames = Pick<PageMap, 'packs' | 'frames'>

export interface StageImageResult {
  /** What quick_check says of the staged image; empty for a sound one, or where nothing was kept. */
  errors: string[]
  /** Given where nothing was kept, for the verification of the packs. */
  mapped: MappedFrames | null
}

/**
 * Puts a database image together from stored frames: first the page map is read, then what it asks for. Every
 * frame is checked against its digest, and the whole image against the manifest's.
 * @throws FST_SNAPSHOT_DAMAGED, having left no file that was not to be kept
 */
export async function stageImage ({ manifest: { image, map }, file, keep, packFiles }: StageImageInput, context: EngineContext): Promise<StageImageResult> {
  const source = packFiles === null ? streamedPacks(context) : localPacks(packFiles)
  return await explainedAsync({ path: file, lockTimeoutMs: 0 }, async () => {
    try {
      const pageMap = await asDamage(async () => await readMap(map, image, source))
      const runs = new RunsByFrame(pageMap)
      await source.expect(plan(pageMap, runs))
      const errors = await makeImage({ pageMap, runs, image, file, keep }, source)
      return { errors, mapped: keep === 'not' ? { packs: pageMap.packs, frames: pageMap.frames } : null }
    } finally {
      await source.close()
    }
  })
}

async function readMap ({ pack, offset, storedLength, rawLength, sha256 }: Manifest['map'], image: Manifest['image'], source: PackSource): Promise<PageMap> {
  const stored = await source.read({ pack, offset, length: storedLength })
  if (sha256Hex(stored) !== sha256) throw new Error('the page map does not match its checksum')
  return decodePageMap(await decompressFrame(stored, rawLength), image)
}

/** The stored bytes of all frames that are needed, neighbours in one pack joined. */
function plan ({ packs, frames }: PageMap, runs: RunsByFrame): PackRange[] {
  const ranges: PackRange[] = []
  for (const [index, { pack, offset, storedLength }] of frames.entries()) {
    if (!runs.isUsed(index)) continue
    const last = ranges.at(-1)
    if (last !== undefined && last.pack === packs[pack] && last.offset + last.length === offset) last.length += storedLength
    else ranges.push({ pack: packs[pack] as string, offset, length: storedLength })
  }
  return ranges
}

interface Staging { pageMap: PageMap, runs: RunsByFrame, image: Manifest['image'], file: string, keep: StageImageInput['keep'] }

/** @returns what is wrong with the database that was made */
async function makeImage ({ pageMap, runs, image, file, keep }: Staging, source: PackSource): Promise<string[]> {
  const { pageSize, checksumAlgorithm } = image
  const isReadBack = checksumAlgorithm === 'sha256' && !runs.isInImageOrder
  const target = keep !== 'not' || isReadBack ? await ImageFile.create(file, keep === 'durably') : null
  try {
    const onTheWay = checksumAlgorithm === 'sha256' ? checksumInOrder() : treeChecksum(image)
    const checksum = isReadBack ? checksumReadBack((target as ImageFile).read()) : onTheWay
    await assembleImage({ pageMap, runs, pageSize, checksum, target }, source)
    if (await checksum.end() !== image.checksum) throw new SnapshotDamagedError('the database image does not match its checksum')
    const complete = target?.complete()
    const errors = keep === 'not' ? [] : checkStaged(file) // while the disk is at work
    await complete
    return errors
  } finally {
    await target?.close()
    if (keep === 'not') rmSync(file, { force: true })
  }
}

/** The most that SQLite takes; reading a file of our own in place saves a third of the check's time. */
const MAPPED_BYTES = 0x7fff0000

function checkStaged (file: string): string[] {
  const database = new Database(file)
  database.pragma(`mmap_size = ${MAPPED_BYTES}`)
  const errors = inspectAnyhow(database)
  database.close()
  return errors
}

function inspectAnyhow (database: Database.Database): string[] {
  try {
    return inspect(database, 'quick').errors
  } catch (error) {
    return [messageOf(error)]
  }
}
