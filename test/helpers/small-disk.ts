import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { unless } from './requirements.ts'

/** Why there can be no small disk here, or false. Mounting needs root. */
export const noSmallDisk: string | false = unless(canMount(), 'a small file system can only be mounted by root')

/** Mounts a small file system in memory, unmounted when the test ends. */
export function mountSmallDisk (t: Test, mebibytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder])
  t.teardown(() => {
    execFileSync('umount', ['-l', folder])
    rmdirSync(folder)
  })
  return folder
}

function canMount (): boolean {
  if (process.getuid?.() !== 0 || process.env.SNAPSHOT_TESTS_WITHOUT_ROOT) return false
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
