import { fstatSync, openSync } from 'node:fs'
import Database from 'better-sqlite3'
import { parseHeader, HEADER_BYTES } from '../database-header.ts'
import { readFully } from '../pages/page-reader.ts'
import { headerOf, pagesOf, readDirectly, type PageSource } from '../pages/page-source.ts'
import { explainedAsync, openTarget, type Target } from '../target-database.ts'

export interface JudgeContentInput {
  target: Target
  /** What was to be applied, and what the database held before: plain files that nobody uses. */
  image: string
  backup: string
}

/** Whether the live database descends from what it held before, from what was applied, or can no longer be told. */
export type Verdict = 'old' | 'new' | 'unknown'

const BLOCK_BYTES = 1024 * 1024

/**
 * Tells whether an interrupted apply was committed, whatever the application has done since. SQLite's backup always raises the
 * schema cookie, so an unchanged one says that it was not. A changed one may be the application's doing: then the pages tell in
 * which the two contents differ, and where all of those were rewritten, that nothing but the backup explains the cookie.
 */
export async function judgeContent ({ target, image, backup }: JudgeContentInput): Promise<Verdict> {
  return await explainedAsync(target, async () => {
    const database = openTarget(target)
    try {
      return await readDirectly<Verdict>(database, async live => {
        const [imagePages, backupPages] = [plainPages(image), plainPages(backup)]
        const raised = cookieOf(live) - cookieOf(backupPages)
        if (raised === 0) return 'old'
        return judgePages(live, imagePages, backupPages) ?? (raised === 1 && schemaOf(database) === schemaIn(image) ? 'new' : 'unknown')
      }, async () => 'unknown')
    } finally {
      database.close()
    }
  })
}

function plainPages (path: string): PageSource {
  const file = openSync(path, 'r')
  const { pageSize } = parseHeader(readFully(file, HEADER_BYTES, 0))
  return pagesOf({ file, pageSize, log: null }, pageSize === 0 ? 0 : fstatSync(file).size / pageSize)
}

/** Beyond the end a file may have pages still that are the database's no more. */
function readBlock ({ pageSize, pageCount, read }: PageSource, block: Buffer, offset: number): void {
  const bytes = Math.max(0, Math.min(block.length, pageCount * pageSize - offset))
  if (bytes > 0) read(block.subarray(0, bytes), offset)
  block.fill(0, bytes)
}

const cookieOf = (pages: PageSource): number => pages.pageCount === 0 ? 0 : headerOf(pages).schemaCookie

/** Null where the pages do not tell. */
function judgePages (live: PageSource, image: PageSource, backup: PageSource): Verdict | null {
  const { pageSize } = live
  const size = Math.max(image.pageCount, backup.pageCount) * pageSize
  const [liveBlock, imageBlock, backupBlock] = [0, 1, 2].map(() => Buffer.alloc(BLOCK_BYTES)) as [Buffer, Buffer, Buffer]
  let [differing, asImage, asBackup] = [0, 0, 0]
  for (let offset = 0; offset < size; offset += BLOCK_BYTES) {
    for (const [pages, block] of [[live, liveBlock], [image, imageBlock], [backup, backupBlock]] as const) readBlock(pages, block, offset)
    if (imageBlock.equals(backupBlock)) continue
    for (let at = 0; at < BLOCK_BYTES; at += pageSize) {
      const [livePage, imagePage, backupPage] = [liveBlock, imageBlock, backupBlock].map(block => block.subarray(at, at + pageSize)) as [Buffer, Buffer, Buffer]
      if (imagePage.equals(backupPage)) continue
      differing++
      if (livePage.equals(imagePage)) asImage++
      else if (livePage.equals(backupPage)) asBackup++
    }
  }
  if (differing === 0 || asBackup > asImage) return 'old'
  return asImage > asBackup ? 'new' : null
}

const schemaOf = (database: Database.Database): string => JSON.stringify(database.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').raw().all())

function schemaIn (file: string): string {
  const database = new Database(file, { readonly: true })
  try {
    return schemaOf(database)
  } finally {
    database.close()
  }
}
