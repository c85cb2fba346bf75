import { existsSync, readdirSync, rmdirSync, rmSync, statSync, type Stats } from 'node:fs'
import { keepAside, renameIfThere } from './keep-aside.ts'
import { asideFile, COMPANIONS, fileBehind, freshFile } from './own-files.ts'
import { syncFolderOf } from './safety-copy.ts'

/** What is noted durably before a file is put in the database's place. */
export interface ReplacementIntent {
  /** Path of the complete backup of what was there; null where SQLite could not read it, or nothing was there. */
  backup: string | null
  /** The folder that the old files go to. */
  quarantine: string
  /** Whether there was no file before. */
  wasMissing: boolean
  /** Whether the old file has all of its content without its log. */
  isCheckpointed: boolean
  /** When the old file was last written to; 0 where there was none. */
  modifiedMs: number
}

export interface SettleReplacementInput extends Omit<ReplacementIntent, 'backup'> {
  path: string
  id: string
}

/**
 * Settles a replacement that was interrupted: taken back where the new file was not in its place yet, else completed. It may be
 * interrupted itself: what tells the two apart, the new file at its first name, is removed when the outcome is recorded.
 * @returns whether it was completed
 */
export async function settleReplacement (input: SettleReplacementInput): Promise<boolean> {
  const { id, quarantine, wasMissing } = input
  const path = fileBehind(input.path)
  const [fresh, aside, current] = [freshFile(path, id), asideFile(path, id), path].map(file => statSync(file, { throwIfNoEntry: false }))
  const isPlaced = wasMissing ? fresh === undefined || isSame(fresh, current) : fresh === undefined && !isSame(aside, current)
  if (!isPlaced) {
    takeBack(path, input)
    return false
  }
  rmSync(freshFile(path, id), { force: true })
  keepAside(path, id, quarantine)
  return true
}

const isSame = (a: Stats | undefined, b: Stats | undefined): boolean => a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino

/**
 * The old file is in its place still. What belonged to it returns there, unless it may not belong to it any more, as somebody
 * has opened the file meanwhile: SQLite would apply an old log to what is newer. Then the quarantine has it.
 */
export function takeBack (path: string, { id, quarantine, wasMissing, isCheckpointed, modifiedMs }: Omit<SettleReplacementInput, 'path'>): void {
  const aside = asideFile(path, id)
  const current = statSync(path, { throwIfNoEntry: false })
  const isAsItWas = wasMissing ? current === undefined : current?.mtimeMs === modifiedMs && !isCheckpointed
  rmSync(aside, { force: true })
  // Shared memory is made anew; a log or a journal is somebody's content.
  if (isAsItWas && !['-wal', '-journal'].some(suffix => existsSync(path + suffix) && existsSync(aside + suffix))) {
    for (const suffix of COMPANIONS.filter(suffix => !existsSync(path + suffix))) renameIfThere(aside + suffix, path + suffix)
  }
  keepAside(path, id, quarantine)
  if (existsSync(quarantine) && readdirSync(quarantine).length === 0) rmdirSync(quarantine)
  syncFolderOf(path)
}
