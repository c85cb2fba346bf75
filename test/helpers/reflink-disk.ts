import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { unless } from './requirements.ts'

/** Why there can be no file system here on which files share their blocks, or false. */
export const noReflinks: string | false = unless(canMount(), 'a file system with reflinks can only be made by root, with mkfs.xfs')

/** Mounts a small XFS, unmounted when the test ends. */
export function mountReflinkDisk (t: Test): string {
  const { folder, unmount } = mount()
  t.teardown(unmount)
  return folder
}

function mount (): { folder: string, unmount: () => void } {
  const place = mkdtempSync(join(tmpdir(), 'reflink-disk-'))
  const [image, folder] = [join(place, 'image'), join(place, 'mounted')]
  try {
    mkdirSync(folder)
    execFileSync('truncate', ['-s', '400M', image])
    execFileSync('mkfs.xfs', ['-q', '-m', 'reflink=1', image], { stdio: 'ignore' })
    execFileSync('mount', ['-o', 'loop', image, folder], { stdio: 'ignore' })
  } catch (error) {
    rmSync(place, { recursive: true })
    throw error
  }
  return {
    folder,
    unmount: () => {
      execFileSync('umount', ['-l', folder])
      rmSync(place, { recursive: true })
    }
  }
}

function canMount (): boolean {
  if (process.getuid?.() !== 0 || process.env.SNAPSHOT_TESTS_WITHOUT_ROOT) return false
  try {
    mount().unmount()
    return true
  } catch {
    return false
  }
}
