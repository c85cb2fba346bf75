import { openSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { codeOf, DatabaseDamagedError } from '../../errors.ts'
import { sha256Hex } from '../../format/checksum.ts'
import type { Manifest } from '../../format/manifest.ts'
import { inspect } from '../check-integrity.ts'
import { copyPinned } from '../apply/copy-database.ts'
import { isUnchanged } from '../pages/file-state.ts'
import type { CachedPack } from './page-cache.ts'
import { headerOf, pagesOf, readDirectly, type PageSource } from '../pages/page-source.ts'
import { openParent, type ParentImage, type ParentInput } from './parent-image.ts'
import { explainedAsync, openTarget, type Target } from '../target-database.ts'
import { writeImage, type Facts, type WriteImageInput } from './write-image.ts'

export interface CreateImageInput extends WriteImageInput {
  source: Target
  /** Where the database is copied to if it cannot be read directly; nothing exists there yet, and nothing does afterwards. */
  temporaryFile: string
  /** Whether to run quick_check on the image. */
  check: boolean
  /** Whether an image that fails the check is stored all the same, marked as damaged. */
  allowDamaged: boolean
  /** What may be shared with the last snapshot; null stores everything anew. */
  parent: ParentInput | null
}

export type CreateImageResult = Pick<Manifest, 'image' | 'map' | 'parent'> & Facts & {
  /** Every pack that holds pages of the image or its map. */
  packs: CachedPack[]
  /** Bytes in the pack file; null where there is none, as nothing has changed. */
  packBytes: number | null
  /** Why the database was copied first, with all the disk space that takes; null where it was read directly. */
  copied: string | null
}

/** Takes one consistent image of the application's database, and writes what of it is not stored yet to a local file as a pack. */
export async function createImage (input: CreateImageInput): Promise<CreateImageResult> {
  const { source, temporaryFile } = input
  return await explainedAsync(source, async () => {
    const database = openTarget(source)
    const storeCopy = async (copied: string | null): Promise<CreateImageResult> => ({ ...await storeImage(input, database, await copyPages(database, temporaryFile)), copied })
    try {
      return await readDirectly(database, async pages => {
        // Of an empty file SQLite makes a database of one page, which can be restored.
        return pages.pageCount === 0 ? await storeCopy(null) : { ...await storeImage(input, database, pages), copied: null }
      }, storeCopy)
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
  return pagesOf({ file, pageSize, log: null }, pageCount)
}

async function storeImage (input: CreateImageInput, database: Database.Database, pages: PageSource): Promise<Omit<CreateImageResult, 'copied'>> {
  const { source, check, allowDamaged } = input
  const parent = openParent(input.parent, pages)
  if (parent !== null && isSameAs(parent, pages, check)) return sharing(parent)
  const facts = (): Facts => {
    const integrity = check ? checkImage(database, source, allowDamaged) : 'unchecked'
    const { userVersion, encoding, isWal, freePages } = headerOf(pages)
    return { integrity, sqlite: { version: sqliteVersion(), schemaHash: schemaHash(database), userVersion, encoding, journalMode: isWal ? 'wal' : 'delete', freePages } }
  }
  return await writeImage(input, pages, parent, facts, () => { database.close() })
}

/** A snapshot that is the last one again. */
function sharing ({ description: { id, image, sqlite, integrity, map, packs } }: ParentImage): Omit<CreateImageResult, 'copied'> {
  return { image, sqlite, integrity, map, packs, parent: id, packBytes: null }
}

/** Whether the last snapshot is one of this moment as well, and was checked if this one shall be. */
function isSameAs ({ description: { state, integrity }, isComplete }: ParentImage, pages: PageSource, check: boolean): boolean {
  return isComplete && isUnchanged(state, pages.state) && (integrity === 'ok' || (integrity === 'unchecked' && !check))
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
