import { randomUUID } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import type { SnapshotRow } from '../catalog/schema.ts'
import { Engine } from '../engine/engine.ts'
import type { PackFiles } from '../engine/stage/local-packs.ts'
import type { PackRange } from '../engine/messages.ts'
import type { MappedFrames, StageImageInput, StageImageResult } from '../engine/stage/stage-image.ts'
import { aboutPack, codeOf, messageOf, SnapshotDamagedError, StorageMissingError } from '../errors.ts'
import { manifestKey, packKey } from '../format/keys.ts'
import { decodeManifest, type Manifest } from '../format/manifest.ts'
import type { SnapshotStorage } from '../storage/snapshot-storage.ts'
import { readAll } from '../storage/storage-key.ts'
import type { SnapshotContext } from './context.ts'
import { removeDatabase } from './remove-database.ts'

/**
 * Reads the manifest that a storage has of a snapshot, and holds it against the catalog, so that an exchanged one is found.
 * @throws FST_SNAPSHOT_DAMAGED
 */
export async function readManifest (storage: SnapshotStorage, { id, database, name, checksum }: SnapshotRow): Promise<Manifest> {
  return await missingAsDamage(async () => {
    const manifest = decodeManifest(await readAll(await storage.get(manifestKey(database, id))))
    if (manifest.id !== id || manifest.database !== database) throw new Error(`the manifest is that of snapshot ${manifest.name} of ${manifest.database}`)
    if (checksum !== null && manifest.image.checksum !== checksum) throw new Error(`the manifest does not describe the snapshot ${name} that was made`)
    return manifest
  })
}

/**
 * The same where the storage also has every pack in its length, as far as that tells.
 * @throws FST_SNAPSHOT_DAMAGED
 */
export async function readWhole (storage: SnapshotStorage, row: SnapshotRow): Promise<Manifest> {
  const manifest = await readManifest(storage, row)
  for (const { id, bytes } of manifest.packs) {
    const key = packKey(row.database, id)
    const there = await storage.head(key)
    if (there === null) throw aboutPack(missing(storage, key), id)
    if (there.bytes !== bytes) throw aboutPack(new SnapshotDamagedError(`${key} in ${storage.name} has ${there.bytes} of ${bytes} bytes`), id)
  }
  return manifest
}

function missing ({ name }: SnapshotStorage, key: string): Error {
  const cause = new StorageMissingError(name, key)
  return new SnapshotDamagedError(cause.message, { cause })
}

/**
 * Brings a snapshot's image out of a storage, every byte held against the checksums, into `file`.
 * @param check whether to run quick_check on it besides
 * @throws FST_SNAPSHOT_DAMAGED, FST_SNAPSHOT_NO_ROOM, FST_SNAPSHOT_STORAGE_FAILED
 */
export async function stage (context: SnapshotContext, storage: SnapshotStorage, manifest: Manifest, file: string, check: boolean, signal: AbortSignal): Promise<StageImageResult> {
  return await runStaging(context, storage, manifest, { file, keep: 'for now', check }, signal)
}

/**
 * The same for a file that is to last: it is on disk, as far as that is up to the file itself. What passed quick_check when it
 * was stored is not checked again: its bytes are proven to be the same.
 */
export async function stageDurably (context: SnapshotContext, storage: SnapshotStorage, manifest: Manifest, file: string, signal: AbortSignal): Promise<StageImageResult> {
  return await runStaging(context, storage, manifest, { file, keep: 'durably', check: manifest.integrity !== 'ok' }, signal)
}

/** The same as {@link stage} from the storage alone, as where there is no live database to take pages from. */
export async function stageAlone (context: SnapshotContext, storage: SnapshotStorage, manifest: Manifest, file: string, signal: AbortSignal): Promise<StageImageResult> {
  return await runStaging(context, storage, manifest, { file, keep: 'for now', check: false }, signal, false)
}

/** The same, keeping nothing. @returns what stands in which pack */
export async function verifyImage (context: SnapshotContext, storage: SnapshotStorage, manifest: Manifest, signal: AbortSignal): Promise<MappedFrames> {
  const file = context.temporaryFile(`verify-${randomUUID()}.db`)
  try {
    return (await runStaging(context, storage, manifest, { file, keep: 'not', check: false }, signal)).mapped as MappedFrames
  } finally {
    removeDatabase(file) // an engine that was killed could not
  }
}

type StageTarget = Pick<StageImageInput, 'file' | 'keep' | 'check'>

/** The engine reads the packs itself where they are local files; else it gets from here what the live database does not have. */
async function runStaging (context: SnapshotContext, storage: SnapshotStorage, manifest: Manifest, target: StageTarget, signal: AbortSignal, mayReuseLive = target.keep !== 'not'): Promise<StageImageResult> {
  const { image, map } = manifest
  removeDatabase(target.file) // of an attempt with another replica
  const packFiles = packFilesOf(storage, manifest)
  const live = packFiles === null && mayReuseLive ? { target: { ...context.target, lockTimeoutMs: 0 }, level: context.settings.compressionLevel } : null
  const input = { manifest: { image, map }, packFiles, live, ...target }
  return await missingAsDamage(async () => packFiles === null ? await stageStreamed(storage, manifest, input, signal) : await context.runEngine('stage-image', input, { signal }))
}

function packFilesOf (storage: SnapshotStorage, { database, packs, map }: Manifest): PackFiles | null {
  if (storage.fileOf === undefined) return null
  const files: PackFiles['packs'] = {}
  for (const id of [map.pack, ...packs.map(pack => pack.id)]) {
    const key = packKey(database, id)
    files[id] = { key, file: storage.fileOf(key) }
  }
  return { storage: storage.name, packs: files }
}

async function stageStreamed (storage: SnapshotStorage, { database, map }: Manifest, input: StageImageInput, signal: AbortSignal): Promise<StageImageResult> {
  let sent: Promise<void> = Promise.resolve()
  const engine = new Engine('stage-image', input, {
    signal,
    onEvent: ({ ranges }) => { sent = send(ranges) }
  })
  // What goes wrong with the storage ends the engine, which would wait for bytes that never come.
  const send = async (ranges: PackRange[]): Promise<void> => {
    try {
      await pipeline(Readable.from(readRanges(storage, database, ranges, signal)), engine.input, { end: false })
    } catch (error) {
      engine.kill(error)
    }
  }
  await send([{ pack: map.pack, offset: map.offset, length: map.storedLength }])
  const result = await engine.result
  await sent
  return result
}

async function * readRanges (storage: SnapshotStorage, database: string, ranges: PackRange[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (const { pack, offset, length } of ranges) {
    let missing = length
    try {
      for await (const chunk of await storage.get(packKey(database, pack), { range: { offset, length }, signal })) {
        missing -= (chunk as Uint8Array).length
        yield chunk as Uint8Array
      }
      if (missing !== 0) throw new Error(`the pack ${pack} ends ${missing} bytes too early`)
    } catch (error) {
      throw aboutPack(error, pack)
    }
  }
}

/** A part that is missing or makes no sense is damage of the snapshot; other errors stay what they are. */
export async function missingAsDamage<T> (read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    const code = codeOf(error)
    if (code === 'FST_SNAPSHOT_STORAGE_MISSING' || code === undefined) throw new SnapshotDamagedError(messageOf(error), { cause: error })
    throw error
  }
}
