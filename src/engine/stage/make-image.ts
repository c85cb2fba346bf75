import { rmSync } from 'node:fs'
import { SnapshotDamagedError } from '../../errors.ts'
import type { Manifest } from '../../format/manifest.ts'
import type { PageMap } from '../../format/page-map.ts'
import type { RunsByFrame } from '../../format/runs-by-frame.ts'
import { assembleImage, placeFrame } from './assemble-image.ts'
import { checksumInOrder, checksumReadBack, treeChecksum } from './image-checksum.ts'
import type { PackRange } from '../messages.ts'
import { NewFile } from '../new-file.ts'
import type { PackSource } from './pack-source.ts'
import { reuseLiveFrames, type LiveDatabase } from './reuse-live-frames.ts'
import { step } from '../../step.ts'

export interface ImagePlan {
  pageMap: PageMap
  runs: RunsByFrame
  image: Manifest['image']
  /** Where the image goes; nothing exists there yet. */
  file: string
  /** `not` verifies every stored byte; the file is then made only where the checksum asks for it. `durably` fsyncs it. */
  keep: 'not' | 'for now' | 'durably'
}

/**
 * Puts an image together and verifies it as a whole. What the live database has of it, if one is given, is not fetched.
 * @param check runs on the complete file, while the disk is at work; its outcome is returned
 */
export async function makeImage (plan: ImagePlan, source: PackSource, live: LiveDatabase | null, check: () => string[]): Promise<string[]> {
  const { pageMap, runs, file, keep, image: { pageSize, checksum: expected, checksumAlgorithm } } = plan
  const isInOrder = checksumAlgorithm === 'sha256-tree' || runs.isInImageOrder
  const target = keep !== 'not' || !isInOrder ? await NewFile.create(file, keep === 'durably') : null
  step('stage: begun')
  let isMade = false
  let reused: ReadonlySet<number> = new Set()
  try {
    const tree = checksumAlgorithm === 'sha256-tree' ? treeChecksum(plan.image) : null
    if (live !== null) reused = await reuseLiveFrames(live, pageMap, runs, pageSize, async (frame, raw) => { await placeFrame({ runs, pageSize, checksum: tree, target }, frame, raw) })
    const checksum = tree ?? (isInOrder && reused.size === 0 ? checksumInOrder() : checksumReadBack((target as NewFile).read()))
    const wanted = [...pageMap.frames.keys()].filter(frame => runs.isUsed(frame) && !reused.has(frame))
    await source.expect(rangesOf(pageMap, wanted))
    await assembleImage({ pageMap, wanted, runs, pageSize, checksum, target }, source)
    isMade = await checksum.end() === expected
    if (isMade) {
      const complete = target?.complete()
      const errors = check()
      await complete
      step('stage: checked')
      return errors
    }
  } finally {
    await target?.close()
    if (keep === 'not' || !isMade) rmSync(file, { force: true })
  }
  if (reused.size === 0) throw new SnapshotDamagedError('the database image does not match its checksum')
  return await makeImage(plan, source, null, check)
}

/** The stored bytes of some frames, neighbours in one pack joined. */
function rangesOf ({ packs, frames }: PageMap, wanted: number[]): PackRange[] {
  const ranges: PackRange[] = []
  for (const { pack, offset, storedLength } of wanted.map(index => frames[index] as PageMap['frames'][number])) {
    const last = ranges.at(-1)
    if (last !== undefined && last.pack === packs[pack] && last.offset + last.length === offset) last.length += storedLength
    else ranges.push({ pack: packs[pack] as string, offset, length: storedLength })
  }
  return ranges
}
