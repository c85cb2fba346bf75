import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync, rmSync, statSync } from 'node:fs'
import Database from 'better-sqlite3'
import { codeOf, DatabaseDamagedError } from '../errors.ts'
import { CODEC_ZSTD, compressFrame, FRAME_BYTES } from '../format/frame.ts'
import { encodePackIndex, type PackedFrame } from '../format/pack-index.ts'
import { encodePageMap } from '../format/page-map.ts'
import type { Manifest } from '../format/manifest.ts'
import { MAP_MAGIC, SKIPPABLE_HEADER_BYTES, skippableFrame } from '../format/skippable-frame.ts'
import { sha256, sha256Hex } from '../format/checksum.ts'
import { inspect } from './check-integrity.ts'
import { copyPinned, pin } from './copy-database.ts'
import { HEADER_BYTES, parseHeader, type DatabaseHeader } from './database-header.ts'
import type { EngineContext } from './messages.ts'
import { explainedAsync, openTarget, type Target } from './target-database.ts'

export interface CreateImageInput {
  source: Target
  /** Where the image is copied to before it is packed; nothing exists there yet, and nothing does afterwards. */
  temporaryFile: string
  packId: string
  /** zstd level. */
  level: number
  /** Whether to run quick_check on the image. */
  check: boolean
  /** Whether an image that fails the check is stored all the same, marked as damaged. */
  allowDamaged: boolean
}

export type CreateImageResult = Pick<Manifest, 'image' | 'sqlite' | 'integrity' | 'map'> & { packBytes: number }

/** Frames that are compressed at the same time. */
const FRAMES_IN_FLIGHT = 3

/** Takes one consistent image of the application's database and writes it out as a pack. */
export async function createImage (input: CreateImageInput, context: EngineContext): Promise<CreateImageResult> {
  const { source, temporaryFile } = input
  try {
    return await explainedAsync(source, async () => {
      const known = await copyImage(source, temporaryFile)
      const integrity = input.check ? checkImage(input) : 'unchecked'
      const { header: { userVersion, encoding, isWal }, ...written } = await writePack(input, context)
      return { sqlite: { ...known, userVersion, encoding, journalMode: isWal ? 'wal' : 'delete' }, integrity, ...written }
    })
  } finally {
    for (const suffix of ['', '-wal', '-shm']) rmSync(temporaryFile + suffix, { force: true })
  }
}

async function copyImage (source: Target, temporaryFile: string): Promise<Pick<Manifest['sqlite'], 'version' | 'schemaHash'>> {
  const database = openTarget(source)
  try {
    pin(database)
    await copyPinned(database, temporaryFile)
    return { version: sqliteVersion(), schemaHash: schemaHash(database) }
  } finally {
    database.close()
  }
}

/** Not asked of the application's database, which answers no query where its schema is damaged. */
function sqliteVersion (): string {
  const database = new Database(':memory:')
  const version = database.prepare('SELECT sqlite_version()').pluck().get() as string
  database.close()
  return version
}

/** Null for a damaged schema, which the check that follows reports. */
function schemaHash (database: Database.Database): string | null {
  try {
    return sha256Hex(JSON.stringify(database.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').raw().all()))
  } catch {
    return null
  }
}

/** The check runs on the copy: it proves what is stored, and the application's database is free meanwhile. */
function checkImage ({ source, temporaryFile, allowDamaged }: CreateImageInput): 'ok' | 'failed' {
  const image = new Database(temporaryFile)
  try {
    const { isHealthy, errors } = inspect(image, 'quick')
    if (isHealthy) return 'ok'
    if (!allowDamaged) throw new DatabaseDamagedError(source.path, errors.slice(0, 3).join('; '))
  } catch (error) {
    if (!allowDamaged || !/^SQLITE_(CORRUPT|NOTADB)/.test(String(codeOf(error)))) throw error
  } finally {
    image.close()
  }
  return 'failed'
}

async function writePack ({ temporaryFile, packId, level }: CreateImageInput, { write }: EngineContext): Promise<Pick<CreateImageResult, 'image' | 'map' | 'packBytes'> & { header: DatabaseHeader }> {
  const size = statSync(temporaryFile).size
  const descriptor = openSync(temporaryFile, 'r')
  const checksum = sha256()
  const frames: PackedFrame[] = []
  let packBytes = 0
  const append = async (bytes: Buffer): Promise<void> => {
    await write(bytes)
    packBytes += bytes.length
  }

  const inFlight: Array<{ rawLength: number, stored: Promise<Buffer> }> = []
  const writeOldest = async (): Promise<void> => {
    const { rawLength, stored } = inFlight.shift() as typeof inFlight[number]
    const bytes = await stored
    frames.push({ number: frames.length, offset: packBytes, storedLength: bytes.length, rawLength, codec: CODEC_ZSTD, sha256: createHash('sha256').update(bytes).digest() })
    await append(bytes)
  }
  let header = parseHeader(Buffer.alloc(HEADER_BYTES))
  for (let position = 0; position < size; position += FRAME_BYTES) {
    const raw = Buffer.allocUnsafe(Math.min(FRAME_BYTES, size - position))
    readSync(descriptor, raw, 0, raw.length, position)
    if (position === 0) header = parseHeader(raw)
    inFlight.push({ rawLength: raw.length, stored: compressFrame(raw, level) })
    checksum.update(raw)
    if (inFlight.length >= FRAMES_IN_FLIGHT) await writeOldest()
  }
  while (inFlight.length > 0) await writeOldest()
  closeSync(descriptor)

  const { pageSize } = header
  const rawMap = encodePageMap({
    packs: [packId],
    frames: frames.map(frame => ({ ...frame, pack: 0 })),
    runs: frames.map((frame, index) => ({ imagePage: index * FRAME_BYTES / pageSize + 1, count: frame.rawLength / pageSize, frame: index, framePage: 0 }))
  })
  const storedMap = await compressFrame(rawMap, level)
  const map = { pack: packId, offset: packBytes + SKIPPABLE_HEADER_BYTES, storedLength: storedMap.length, rawLength: rawMap.length, sha256: sha256Hex(storedMap), codec: CODEC_ZSTD }
  await append(skippableFrame(MAP_MAGIC, storedMap))
  await append(encodePackIndex(frames))
  return { image: { pageSize, pageCount: size / pageSize, size, checksum: checksum.digest('hex'), checksumAlgorithm: 'sha256' }, map, packBytes, header }
}
