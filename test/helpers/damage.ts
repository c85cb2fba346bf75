import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Turns one bit of a file around, at a place given as a part of its length. */
export function flipBit (file: string, where: number): void {
  const bytes = readFileSync(file)
  const at = Math.min(Math.floor(bytes.length * where), bytes.length - 1)
  bytes[at] = (bytes[at] as number) ^ 0x10
  writeFileSync(file, bytes)
}

/** Overwrites the second half of a database with noise, but for its first pages. */
export function damageDatabase (path: string): void {
  const bytes = readFileSync(path)
  for (let at = Math.max(bytes.length >> 1, 8192); at < bytes.length; at++) bytes[at] = at * 31 % 251
  writeFileSync(path, bytes)
}

/** All files below a folder, but for the catalog, caches and locks: what is stored and what is left over. */
export function filesIn (folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && !/^catalog\.db|\.lock$|^\.database$|^\.source$/.test(entry.name) && !/\.(databases|cache)$/.test(entry.parentPath))
    .map(entry => join(entry.parentPath, entry.name)).sort()
}
