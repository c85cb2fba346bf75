import { closeSync, openSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Takes the room there is on the disk of a folder, but for so many bytes; the function returned gives it back. */
export function fillDisk (folder: string, free = 0): () => void {
  const file = join(folder, 'filler')
  const descriptor = openSync(file, 'w')
  try {
    for (const piece = Buffer.alloc(4096); ;) writeSync(descriptor, piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(descriptor)
  }
  truncateSync(file, Math.max(0, statSync(file).size - free))
  return () => { rmSync(file) }
}
