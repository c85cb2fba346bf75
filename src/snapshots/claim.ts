import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { codeOf, OptionError } from '../errors.ts'
import type { SnapshotSettings } from '../options.ts'

/*
 * Two databases must not share a name in one snapshot folder, nor a recovery folder: the retention of one would delete the
 * snapshots of the other, and a restore would bring back the wrong content. So each place notes whose it is.
 */

/**
 * Takes the places of a database.
 * @returns its recovery folder: where the default one is another database's, a folder of its own within that
 * @throws FST_SNAPSHOT_INVALID_OPTION where a place belongs to another database
 */
export function claimPlaces ({ database, databaseName, snapshotDir, recoveryDir, isRecoveryDirDefault }: SnapshotSettings): string {
  claim(join(snapshotDir, '.databases', databaseName), database, owner => `"databaseName" (SNAPSHOT_DATABASE): in ${snapshotDir} the name ${databaseName} belongs to ${owner}; give this database another name or another snapshotDir`)
  const claimFolder = (folder: string): string => {
    claim(join(folder, '.database'), database, owner => `"recoveryDir" (RECOVERY_DIR): ${folder} keeps the pre-restore backups of ${owner}; give this database a folder of its own`)
    return folder
  }
  try {
    return claimFolder(recoveryDir)
  } catch (error) {
    if (!isRecoveryDirDefault || codeOf(error) !== 'FST_SNAPSHOT_INVALID_OPTION') throw error
    return claimFolder(join(recoveryDir, databaseName))
  }
}

function claim (file: string, database: string, refusal: (owner: string) => string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const owner = existsSync(file) ? readFileSync(file, 'utf8') : database
  // A database that was moved takes its places along.
  const isOurs = owner === database || isSameFile(owner, database) || !existsSync(owner)
  if (!isOurs) throw new OptionError(`${refusal(owner)}. If ${database} has taken its place, remove ${file}`)
  writeFileSync(file, database, { mode: 0o600 })
}

function isSameFile (a: string, b: string): boolean {
  const [first, second] = [a, b].map(path => statSync(path, { throwIfNoEntry: false }))
  return first !== undefined && second !== undefined && first.dev === second.dev && first.ino === second.ino
}
