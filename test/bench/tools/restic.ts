import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { folderBytes, listing, type Place } from '../place.ts'

const REPOSITORY = 'restic'
const CACHE = 'restic-cache'

export interface Restic {
  init: () => Promise<void>
  backup: () => Promise<void>
  /** Restores into a new folder in the place, and says where the database is then. */
  restore: (name: string) => Promise<string>
  storedBytes: () => number
  clean: () => void
}

/** restic, which knows nothing of databases: it backs up the bare file. */
export function resticAt ({ folder, file, remove }: Place): Restic {
  const run = async (...words: string[]): Promise<void> => {
    await promisify(execFile)('restic', ['-q', '-r', file(REPOSITORY), '--cache-dir', file(CACHE), ...words], { cwd: folder, env: { ...process.env, RESTIC_PASSWORD: 'bench' } })
  }
  return {
    init: async () => { await run('init') },
    backup: async () => { await run('backup', 'app.db') },
    restore: async name => {
      await run('restore', 'latest', '--target', file(name))
      return join(file(name), listing(file(name)).find(found => found.endsWith('app.db')) ?? 'nothing')
    },
    storedBytes: () => folderBytes(file(REPOSITORY)),
    clean: () => { remove(REPOSITORY, CACHE) }
  }
}
