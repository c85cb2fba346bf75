import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { codeOf } from '../../errors.ts'
import { step } from '../../step.ts'
import { asideFile, COMPANIONS } from './own-files.ts'
import { syncFile, syncFolderOf } from './safety-copy.ts'

/** Moves what a change of the database has put aside to the quarantine, which may be on another disk. */
export function keepAside (path: string, id: string, quarantine: string): void {
  for (const suffix of ['', ...COMPANIONS]) {
    const aside = asideFile(path, id) + suffix
    if (!existsSync(aside)) continue
    mkdirSync(quarantine, { recursive: true, mode: 0o700 })
    keep(aside, join(quarantine, basename(path) + suffix))
    step('replace: old file kept')
  }
  syncFolderOf(path)
}

/** Moves a file, durably. On the same disk it stays the same file: what somebody still writes to it is not lost, either. */
function keep (from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (codeOf(error) !== 'EXDEV') throw error
    copyFileSync(from, to)
    syncFile(to)
    rmSync(from)
  }
  syncFolderOf(to)
}

export function renameIfThere (from: string, to: string): void {
  if (existsSync(from)) renameSync(from, to)
}
