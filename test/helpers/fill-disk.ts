import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Takes all the room there is on the disk of a folder; the function returned gives it back. */
export function fillDisk (folder: string): () => void {
  const file = join(folder, 'filler')
  const descriptor = openSync(file, 'w')
  try {
    for (const piece = Buffer.alloc(4096); ;) writeSync(descriptor, piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(descriptor)
  }
  return () => { rmSync(file) }
}
