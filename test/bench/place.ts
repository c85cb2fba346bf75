import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeData } from './data.ts'

/** A folder with one database that a benchmark works on. */
export interface Place {
  folder: string
  database: string
  /** Rows of its large table. */
  rows: number
  bytes: number
  file: (name: string) => string
  /** Runs a script of bash in the folder; a step that fails ends it. */
  shell: (script: string) => Promise<void>
  remove: (...names: string[]) => void
}

export function makePlace (folder: string, bytes: number): Place {
  mkdirSync(folder)
  const file = (name: string): string => join(folder, name)
  const database = file('app.db')
  const rows = makeData(database, bytes)
  return {
    folder,
    database,
    rows,
    bytes: statSync(database).size,
    file,
    shell: async script => { await promisify(execFile)('bash', ['-ec', script], { cwd: folder }) },
    remove: (...names) => { for (const name of names) rmSync(file(name), { recursive: true, force: true }) }
  }
}

export function isInstalled (command: string): boolean {
  try {
    execFileSync('which', [command], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Bytes of all files in a folder; what vanishes meanwhile counts nothing. */
export function folderBytes (folder: string): number {
  return listing(folder).reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0)
}

/** Paths of all files in a folder, relative to it. */
export function listing (folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
  } catch {
    return [] // not made yet, or a folder in it was just removed
  }
}
