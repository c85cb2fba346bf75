import { createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import Database from 'better-sqlite3'
import { messageOf, SnapshotDamagedError } from '../errors.ts'
import { sha256, sha256Hex } from '../format/checksum.ts'
import { decompressFrame } from '../format/frame.ts'
import type { Manifest } from '../format/manifest.ts'
import { decodePageMap, type MappedFrame, type PageMap, type PageRun } from '../format/page-map.ts'
import { ByteReader } from './byte-reader.ts'
import { inspect } from './check-integrity.ts'
import type { EngineContext, PackRange } from './messages.ts'
import { explainedAsync } from './target-database.ts'

export interface StageImageInput {
  manifest: Pick<Manifest, 'image' | 'map'>
  /** Where the image goes; nothing exists there yet. Null verifies every stored byte and keeps nothing. */
  file: string | null
}

export interface StageImageResult {
  /** What quick_check says of the staged image; empty for a sound one, or where nothing was kept. */
  errors: string[]
}

/**
 * Puts a database image together from stored frames: first the page map comes in, then the ranges that it asks for. Every
 * frame is checked against its digest, and the whole image against the manifest's.
 * @throws FST_SNAPSHOT_DAMAGED, having left no file
 */
export async function stageImage ({ manifest: { image, map }, file }: StageImageInput, context: EngineContext): Promise<StageImageResult> {
  const reader = new ByteReader(context.input)
  await explainedAsync({ path: String(file), lockTimeoutMs: 0 }, async () => {
    const pageMap = await orDamaged(async () => await receiveMap(map, image, reader))
    await context.tell({ type: 'plan', ranges: plan(pageMap) })
    const descriptor = file === null ? null : openSync(file, 'wx', 0o600)
    try {
      await receiveFrames(pageMap, image, reader, descriptor)
    } finally {
      if (descriptor !== null) closeSync(descriptor)
    }
  })
  return { errors: file === null ? [] : checkStaged(file) }
}

/** Frames in memory at the same time. */
const FRAMES_AHEAD = 4

/** What does not fit together is damage of the snapshot; what fails on this machine, such as a write, is not. */
async function orDamaged<T> (read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw new SnapshotDamagedError(messageOf(error), { cause: error })
  }
}

async function receiveMap ({ storedLength, rawLength, sha256 }: Manifest['map'], image: Manifest['image'], reader: ByteReader): Promise<PageMap> {
  const stored = await reader.read(storedLength)
  if (sha256Hex(stored) !== sha256) throw new Error('the page map does not match its checksum')
  return decodePageMap(await decompressFrame(stored, rawLength), image)
}

/** The stored bytes of all frames, neighbours in one pack joined. */
function plan ({ packs, frames }: PageMap): PackRange[] {
  const ranges: PackRange[] = []
  for (const { pack, offset, storedLength } of frames) {
    const last = ranges.at(-1)
    if (last !== undefined && last.pack === packs[pack] && last.offset + last.length === offset) last.length += storedLength
    else ranges.push({ pack: packs[pack] as string, offset, length: storedLength })
  }
  return ranges
}

/** Frames are decompressed ahead, each on a thread of its own, while the ones before them are hashed and written. */
async function receiveFrames ({ frames, runs }: PageMap, { pageSize, checksum }: Manifest['image'], reader: ByteReader, descriptor: number | null): Promise<void> {
  const digest = sha256()
  const runsOf = Map.groupBy(runs, run => run.frame)
  let nextPage = 1
  const place = (index: number, raw: Buffer): void => {
    for (const { imagePage, count, framePage } of runsOf.get(index) as PageRun[]) {
      if (imagePage !== nextPage) throw new SnapshotDamagedError('the frames are not in the order of the image')
      nextPage += count
      const pages = raw.subarray(framePage * pageSize, (framePage + count) * pageSize)
      digest.update(pages)
      if (descriptor !== null) writeSync(descriptor, pages, 0, pages.length, (imagePage - 1) * pageSize)
    }
  }
  const ahead: Array<{ raw: Promise<Buffer> }> = []
  for (const [index, frame] of frames.entries()) {
    ahead.push(await orDamaged(async () => await receiveFrame(frame, reader)))
    if (ahead.length >= FRAMES_AHEAD) place(index + 1 - FRAMES_AHEAD, await orDamaged(async () => await (ahead.shift() as { raw: Promise<Buffer> }).raw))
  }
  for (const [position, { raw }] of ahead.entries()) place(frames.length - ahead.length + position, await orDamaged(async () => await raw))
  if (digest.digest('hex') !== checksum) throw new SnapshotDamagedError('the database image does not match its checksum')
}

/** Resolves once the frame has come in and is sound; what is in it follows. */
async function receiveFrame ({ number, storedLength, rawLength, sha256: expected }: MappedFrame, reader: ByteReader): Promise<{ raw: Promise<Buffer> }> {
  const stored = await reader.read(storedLength)
  if (!createHash('sha256').update(stored).digest().equals(expected)) throw new Error(`frame ${number} does not match its checksum`)
  const raw = decompressFrame(stored, rawLength)
  raw.catch(() => {}) // thrown when its turn comes
  return { raw }
}

function checkStaged (file: string): string[] {
  const database = new Database(file)
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
