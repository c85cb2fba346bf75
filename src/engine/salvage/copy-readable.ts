import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import type { Hole } from './page-file.ts'

const BLOCK_BYTES = 1024 * 1024
const SECTOR_BYTES = 4096

export type ReadAt = (descriptor: number, block: Buffer, offset: number) => number

const readAt: ReadAt = (descriptor, block, offset) => readSync(descriptor, block, 0, block.length, offset)

/**
 * Copies a file, with zeros for what the disk does not give.
 * @param read how to read; a test has to do without a broken disk
 * @returns what is missing
 */
export function copyReadable (from: string, to: string, read = readAt): Hole[] {
  const [source, copy] = [openSync(from, 'r'), openSync(to, 'wx', 0o600)]
  try {
    const { size } = fstatSync(source)
    const block = Buffer.alloc(BLOCK_BYTES)
    const holes: Hole[] = []
    for (let offset = 0; offset < size; offset += BLOCK_BYTES) {
      const bytes = block.subarray(0, Math.min(BLOCK_BYTES, size - offset))
      holes.push(...readBlock(source, bytes, offset, read))
      for (let written = 0; written < bytes.length;) written += writeSync(copy, bytes, written, bytes.length - written, offset + written)
    }
    return holes
  } finally {
    closeSync(source)
    closeSync(copy)
  }
}

function readBlock (source: number, block: Buffer, offset: number, read: ReadAt): Hole[] {
  try {
    block.fill(0, read(source, block, offset))
    return []
  } catch {
    const holes: Hole[] = []
    for (let at = 0; at < block.length; at += SECTOR_BYTES) {
      const sector = block.subarray(at, at + SECTOR_BYTES)
      try {
        sector.fill(0, read(source, sector, offset + at))
      } catch {
        sector.fill(0)
        holes.push({ offset: offset + at, length: sector.length })
      }
    }
    return holes
  }
}
