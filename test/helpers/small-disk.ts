import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

const mount = (folder: string, size: string): void => { execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', folder], { stdio: 'pipe' }) }
const unmount = (folder: string): void => { execFileSync('umount', ['-l', folder], { stdio: 'pipe' }) }

/** Why there can be no small disk here, or false where there can: for the option `skip` of a test. */
export const noSmallDisk: string | false = ((): string | false => {
  if (process.getuid?.() !== 0) return 'only root can mount a small disk'
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'))
  try {
    mount(folder, '64k')
    unmount(folder)
    return false
  } catch (error) {
    return `no small disk can be mounted here: ${(error as Error).message}`
  } finally {
    rmSync(folder, { recursive: true })
  }
})()

/** A folder on a disk of its own of so many bytes, gone when the test ends. Call it where `noSmallDisk` is false. */
export function smallDisk (t: Test, size: string): string {
  const folder = join(t.testdir(), 'small-disk')
  mkdirSync(folder)
  mount(folder, size)
  t.teardown(() => { unmount(folder) })
  return folder
}

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
