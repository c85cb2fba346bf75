import Database from 'better-sqlite3'
import { codeOf, messageOf } from '../../errors.ts'
import { sha256Hex } from '../../format/checksum.ts'
import { decompressFrame } from '../../format/frame.ts'
import type { Manifest } from '../../format/manifest.ts'
import { decodePageMap, type PageMap } from '../../format/page-map.ts'
import { RunsByFrame } from '../../format/runs-by-frame.ts'
import { inspect } from '../check-integrity.ts'
import { localPacks, type PackFiles } from './local-packs.ts'
import { makeImage, type ImagePlan } from './make-image.ts'
import type { EngineContext } from '../messages.ts'
import type { PackSource } from './pack-source.ts'
import type { LiveDatabase } from './reuse-live-frames.ts'
import { asDamage } from './snapshot-damage.ts'
import { streamedPacks } from './streamed-packs.ts'
import { explainedAsync } from '../target-database.ts'

export interface StageImageInput extends Pick<ImagePlan, 'file' | 'keep'> {
  manifest: Pick<Manifest, 'image' | 'map'>
  /** Whether to run quick_check on the complete file. */
  check: boolean
  /** The packs, where they are files of this machine; null where the host sends what is asked for. */
  packFiles: PackFiles | null
  /** What need not be fetched where this has it; null to fetch everything. */
  live: LiveDatabase | null
}

/** What stands in which pack. */
export type MappedFrames = Pick<PageMap, 'packs' | 'frames'>

export interface StageImageResult {
  /** What quick_check says of the staged image; empty for a sound one, or where it was not asked. */
  errors: string[]
  /** Given where nothing was kept, for the verification of the packs. */
  mapped: MappedFrames | null
}

/**
 * Puts a database image together from stored frames: first the page map is read, then what it asks for. Every
 * frame is checked against its digest, and the whole image against the manifest's.
 * @throws FST_SNAPSHOT_DAMAGED, having left no file that was not to be kept
 */
export async function stageImage ({ manifest: { image, map }, file, keep, check, packFiles, live }: StageImageInput, context: EngineContext): Promise<StageImageResult> {
  const source = packFiles === null ? streamedPacks(context) : localPacks(packFiles)
  return await explainedAsync({ path: file, lockTimeoutMs: 0 }, async () => {
    try {
      const pageMap = await asDamage(map.pack, async () => await readMap(map, image, source))
      const runs = new RunsByFrame(pageMap)
      const errors = await makeImage({ pageMap, runs, image, file, keep }, source, live, () => check ? checkStaged(file) : [])
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

function checkStaged (file: string): string[] {
  const database = new Database(file)
  try {
    return inspectAnyhow(database)
  } finally {
    database.close()
  }
}

/** @throws what the disk does; a check that ends early for damage is one that failed */
export function inspectAnyhow (database: Database.Database): string[] {
  try {
    return inspect(database, 'quick').errors
  } catch (error) {
    if (/^SQLITE_(IOERR|FULL|CANTOPEN)/.test(String(codeOf(error)))) throw error // of the disk, not of the image
    return [messageOf(error)]
  }
}
