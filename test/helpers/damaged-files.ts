import { closeSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const PAGE = 4096

/** Overwrites pages in the middle of a database that nobody has open. */
export function overwritePages (path: string): void {
  const pages = Math.floor(statSync(path).size / PAGE)
  const descriptor = openSync(path, 'r+')
  for (let page = Math.floor(pages / 3); page < pages - 1; page++) writeSync(descriptor, Buffer.alloc(PAGE, 0xA5), 0, PAGE, page * PAGE)
  closeSync(descriptor)
}

/** Paths of the stored packs of a host's snapshots. */
export function packsOf (folder: string): string[] {
  const files = readdirSync(join(folder, 'backups'), { recursive: true, encoding: 'utf8' })
  return files.filter(file => file.endsWith('data.zst')).map(file => join(folder, 'backups', file))
}

/** Turns over some bytes in the middle of a file. */
export function flipBytes (path: string): void {
  const bytes = readFileSync(path)
  const middle = Math.floor(bytes.length / 3)
  for (let position = middle; position < middle + 8; position++) bytes[position] = (bytes[position] as number) ^ 0xff
  writeFileSync(path, bytes)
}
