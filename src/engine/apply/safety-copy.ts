import { closeSync, fsyncSync, ftruncateSync, linkSync, openSync, readSync, renameSync, rmSync, symlinkSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { PageSource } from '../pages/page-source.ts'
import { step } from '../../step.ts'

/** Where a safety copy goes while it is made, where it stands once it is complete, and the link that names the newest. */
export interface SafetyCopy { partial: string, path: string, latest: string | null }

const BLOCK_BYTES = 1024 * 1024

/**
 * Brings a copy of the live database, made a moment ago, up to date and in its place, durably. Only under the live
 * database's write lock: what is committed now is in the copy, and nothing more can be committed before the restore.
 * @param changed the pages that were committed since it was made; null where that is not known
 */
export function completeSafetyCopy ({ partial, path, latest }: SafetyCopy, pages: PageSource, changed: Uint32Array | null): void {
  const { pageSize, pageCount } = pages
  if (pageCount === 0) return placeSafetyCopy({ partial, path, latest }) // what was copied has vanished since: it is all there is
  const descriptor = openSync(partial, 'r+')
  if (changed === null) copyDiffering(pages, descriptor)
  else copyChanged(pages, descriptor, changed)
  ftruncateSync(descriptor, pageCount * pageSize)
  fsyncSync(descriptor)
  closeSync(descriptor)
  step('safety copy: current')
  placeSafetyCopy({ partial, path, latest })
}

function copyChanged ({ pageSize, pageCount, read }: PageSource, descriptor: number, changed: Uint32Array): void {
  const page = Buffer.alloc(pageSize)
  for (const number of new Set(changed)) {
    if (number > pageCount) continue // cut off since
    read(page, (number - 1) * pageSize)
    writeSync(descriptor, page, 0, pageSize, (number - 1) * pageSize)
  }
}

function copyDiffering ({ pageSize, pageCount, read }: PageSource, descriptor: number): void {
  const size = pageCount * pageSize
  const [current, copied] = [Buffer.alloc(BLOCK_BYTES), Buffer.alloc(BLOCK_BYTES)]
  for (let offset = 0; offset < size; offset += BLOCK_BYTES) {
    const block = current.subarray(0, Math.min(BLOCK_BYTES, size - offset))
    read(block, offset)
    const got = readSync(descriptor, copied, 0, block.length, offset)
    if (copied.subarray(0, got).equals(block)) continue
    for (let at = 0; at < block.length; at += pageSize) {
      const page = block.subarray(at, at + pageSize)
      if (at + pageSize > got || !page.equals(copied.subarray(at, at + pageSize))) writeSync(descriptor, page, 0, pageSize, offset + at)
    }
  }
}

/** Gives a complete copy its name, which must be free, and lets the link name it. */
export function placeSafetyCopy ({ partial, path, latest }: SafetyCopy): void {
  linkSync(partial, path)
  step('safety copy: named')
  rmSync(partial)
  step('safety copy: alone')
  if (latest !== null) pointTo(latest, path)
  syncFolderOf(path)
}

/** Makes or moves a link in one step, so there is always one. */
function pointTo (link: string, path: string): void {
  const fresh = `${link}.partial`
  rmSync(fresh, { force: true })
  symlinkSync(join('.', basename(path)), fresh)
  step('safety copy: link made')
  renameSync(fresh, link)
}

/** Never of a database that this process has open: closing the descriptor would drop its locks. */
export function syncFile (path: string): void {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

export function syncFolderOf (path: string): void {
  syncFile(dirname(path))
}

/** Writes a small file so that it survives a crash of the machine. */
export function writeDurably (path: string, text: string): void {
  const descriptor = openSync(path, 'w', 0o600)
  writeSync(descriptor, text)
  step('note: written')
  fsyncSync(descriptor)
  closeSync(descriptor)
  syncFolderOf(path)
}
