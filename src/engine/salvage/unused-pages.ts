import type { PageFile } from './page-file.ts'

const FIRST_AT = 32

/** The pages on the list of unused ones, which may still hold deleted rows (https://sqlite.org/fileformat2.html#the_freelist). */
export function unusedPages (file: PageFile, header: Buffer): Set<number> {
  const unused = new Set<number>()
  for (let next = header.readUInt32BE(FIRST_AT); file.isFree(next) && !unused.has(next);) {
    const trunk = file.read(next)
    unused.add(next)
    const count = Math.min(trunk.readUInt32BE(4), file.usable / 4 - 2)
    for (let index = 0; index < count; index++) unused.add(trunk.readUInt32BE(8 + index * 4))
    next = trunk.readUInt32BE(0)
  }
  return unused
}
