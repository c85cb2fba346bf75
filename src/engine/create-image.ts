import { openSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { codeOf, DatabaseDamagedError } from '../errors.ts'
import { sha256, sha256Hex } from '../format/checksum.ts'
import { FRAME_BYTES } from '../format/frame.ts'
import { encodePageMap, PageRuns } from '../format/page-map.ts'
import type { Manifest } from '../format/manifest.ts'
import { inspect } from './check-integrity.ts'
import { copyPinned } from './copy-database.ts'
import { HEADER_BYTES, parseHeader, type DatabaseHeader } from './database-header.ts'
import { PackWriter } from './pack-writer.ts'
import { pageReader } from './page-reader.ts'
import { readDirectly, type PageSource } from './page-source.ts'
import { explainedAsync, openTarget, type Target } from './target-database.ts'

export interface CreateImageInput {
  source: Target
  /** Where the pack is written to; nothing exists there yet. */
  packFile: string
  /** Where the database is copied to if it cannot be read directly; nothing exists there yet, and nothing does afterwards. */
  temporaryFile: string
  packId: string
  /** zstd level. */
  level: number
  /** Whether to run quick_check on the image. */
  check: boolean
  /** Whether an image that fails the check is stored all the same, marked as damaged. */
  allowDamaged: boolean
}

export type CreateImageResult = Pick<Manifest, 'image' | 'sqlite' | 'integrity' | 'map'> & {
  packBytes: number
  /** Why the database was copied first, with all the disk space that takes; null where it was read directly. */
  copied: string | null
}

/** Takes one consistent image of the application's database and writes it to a local file as a pack. */
export async function createImage (input: CreateImageInput): Promise<CreateImageResult> {
  const { source, temporaryFile } = input
  return await explainedAsync(source, async () => {
    const database = openTarget(source)
    const writeCopy = async (copied: string | null): Promise<CreateImageResult> => ({ ...await writeImage(input, database, await copyPages(database, temporaryFile)), copied })
    try {
      return await readDirectly(database, async pages => {
        // Of an empty file SQLite makes a database of one page, which can be restored.
        return pages.pageCount === 0 ? await writeCopy(null) : { ...await writeImage(input, database, pages), copied: null }
      }, writeCopy)
    } finally {
      database.close()
      for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(temporaryFile + suffix, { force: true })
    }
  })
}

/** What SQLite's own backup makes of the database, where it cannot be read directly. */
async function copyPages (database: Database.Database, temporaryFile: string): Promise<PageSource> {
  await copyPinned(database, temporaryFile)
  const file = openSync(temporaryFile, 'r')
  const copy = new Database(temporaryFile)
  const [pageSize, pageCount] = ['page_size', 'page_count'].map(name => copy.pragma(name, { simple: true }) as number) as [number, number]
  copy.close()
  return { pageSize, pageCount, read: pageReader({ file, pageSize, log: null }) }
}

async function writeImage (input: CreateImageInput, database: Database.Database, pages: PageSource): Promise<Omit<CreateImageResult, 'copied'>> {
  const { source, packFile, packId, level, check, allowDamaged } = input
  const integrity = check ? checkImage(database, source, allowDamaged) : 'unchecked'
  const known = { version: sqliteVersion(), schemaHash: schemaHash(database) }
  rmSync(packFile, { force: true }) // what was begun before the database turned out not to be readable directly
  const pack = await PackWriter.create(packFile, level)
  try {
    const { checksum, header: { userVersion, encoding, isWal } } = await packPages(pages, pack)
    database.close() // the application need not wait for the disk
    const { pageSize, pageCount } = pages
    const runs = PageRuns.of(pack.frames.map((frame, index) => ({ imagePage: index * FRAME_BYTES / pageSize + 1, count: frame.rawLength / pageSize, frame: index, framePage: 0 })))
    const ended = await pack.end(packId, encodePageMap({ packs: [packId], frames: pack.frames.map(frame => ({ ...frame, pack: 0 })), runs }))
    return {
      image: { pageSize, pageCount, size: pageSize * pageCount, checksum, checksumAlgorithm: 'sha256' },
      sqlite: { ...known, userVersion, encoding, journalMode: isWal ? 'wal' : 'delete' },
      integrity,
      ...ended
    }
  } finally {
    await pack.close()
  }
}

async function packPages ({ pageSize, pageCount, read }: PageSource, pack: PackWriter): Promise<{ checksum: string, header: DatabaseHeader }> {
  const checksum = sha256()
  const size = pageSize * pageCount
  let header = parseHeader(Buffer.alloc(HEADER_BYTES))
  for (let position = 0; position < size; position += FRAME_BYTES) {
    const buffer = pack.takeBuffer()
    const raw = buffer.subarray(0, Math.min(FRAME_BYTES, size - position))
    read(raw, position)
    if (position === 0) header = parseHeader(raw)
    const added = pack.addFrame(buffer, raw.length)
    checksum.update(raw) // while it is compressed
    await added
  }
  await pack.flush()
  return { checksum: checksum.digest('hex'), header }
}

/** Within the pinned transaction: it proves what is stored. */
function checkImage (database: Database.Database, { path }: Target, allowDamaged: boolean): 'ok' | 'failed' {
  try {
    const { isHealthy, errors } = inspect(database, 'quick')
    if (isHealthy) return 'ok'
    if (!allowDamaged) throw new DatabaseDamagedError(path, errors.slice(0, 3).join('; '))
  } catch (error) {
    if (!allowDamaged || !/^SQLITE_(CORRUPT|NOTADB)/.test(String(codeOf(error)))) throw error
  }
  return 'failed'
}

/** Not asked of the application's database, which answers no query where its schema is damaged. */
function sqliteVersion (): string {
  const database = new Database(':memory:')
  const version = database.prepare('SELECT sqlite_version()').pluck().get() as string
  database.close()
  return version
}

/** Null for a damaged schema, which the check reports. */
function schemaHash (database: Database.Database): string | null {
  try {
    return sha256Hex(JSON.stringify(database.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').raw().all()))
  } catch {
    return null
  }
}
