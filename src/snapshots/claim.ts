import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf, OptionError } from '../errors.ts'
import { optionName } from '../options-names.ts'
import type { SnapshotSettings } from '../options.ts'

/*
 * Two databases must not share a name in one snapshot folder, nor a recovery folder: the retention of one would delete the
 * snapshots of the other, and a restore would bring back the wrong content. So each place notes whose it is.
 */

/**
 * Takes the places of a database.
 * @returns its recovery folder: where the default one is another database's, a folder of its own within that
 * @throws FST_SNAPSHOT_INVALID_OPTION where a place belongs to another database, or cannot be written
 */
export function claimPlaces ({ database, databaseName, snapshotDir, recoveryDir, isRecoveryDirDefault }: SnapshotSettings): string {
  const nameFile = join(snapshotDir, '.databases', databaseName)
  const nameOwner = claim('snapshotDir', snapshotDir, nameFile, database)
  if (nameOwner !== null) throw taken('databaseName', `in ${snapshotDir} the name ${databaseName} belongs to ${nameOwner}; give this database another name or another snapshotDir`, database, nameFile)

  const noteIn = (folder: string): string => join(folder, '.database')
  requireOneCatalog(noteIn(recoveryDir), nameFile, database)
  const owner = claim('recoveryDir', recoveryDir, noteIn(recoveryDir), database, nameFile)
  if (owner === null) return recoveryDir
  const ownFolder = join(recoveryDir, databaseName)
  if (isRecoveryDirDefault && claim('recoveryDir', ownFolder, noteIn(ownFolder), database, nameFile) === null) return ownFolder
  throw taken('recoveryDir', `${recoveryDir} keeps the pre-restore backups of ${owner}; give this database a folder of its own`, database, noteIn(recoveryDir))
}

/**
 * Another database may have taken the name while this one was away.
 * @throws FST_SNAPSHOT_INVALID_OPTION
 */
export function requireClaim ({ database, databaseName, snapshotDir }: SnapshotSettings): void {
  const file = join(snapshotDir, '.databases', databaseName)
  const owner = existsSync(file) ? readFileSync(file, 'utf8') : database
  if (owner !== database && !isSameFile(owner, database)) throw taken('databaseName', `in ${snapshotDir} the name ${databaseName} belongs to ${owner} by now; give this database another name or another snapshotDir`, database, file)
}

/**
 * The recovery folder is also where it stands how far restores have come: of two catalogs of one database each would take what the
 * other has begun for a killed process's.
 */
function requireOneCatalog (note: string, nameFile: string, database: string): void {
  const [owner = '', other = nameFile] = linesOf(note)
  if (other === nameFile || !existsSync(other) || !isSameFile(owner, database)) return
  throw taken('snapshotDir', `${database} is looked after by another snapshot folder or name already, ${other}; use the same snapshotDir and databaseName`, nameFile, note)
}

/** None where the file is missing or cannot be read; taking the place says why. */
function linesOf (file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

/** Notes whose a place is. @returns the other database that has it, or null */
function claim (option: string, folder: string, file: string, database: string, nameFile?: string): string | null {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const [owner = ''] = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [database]
    // A database that was moved takes its places along.
    const isOurs = owner === database || isSameFile(owner, database) || !existsSync(owner)
    if (!isOurs) return owner
    writeFileSync(file, nameFile === undefined ? database : `${database}\n${nameFile}`, { mode: 0o600 })
    return null
  } catch (error) {
    throw new OptionError(`${optionName(option)}: ${folder} cannot be used: ${messageOf(error)}. Let this process write there, or give another folder`, { cause: error })
  }
}

function taken (option: string, why: string, database: string, file: string): Error {
  return new OptionError(`${optionName(option)}: ${why}. If ${database} has taken its place, remove ${file}`)
}

function isSameFile (a: string, b: string): boolean {
  const [first, second] = [a, b].map(path => statSync(path, { throwIfNoEntry: false }))
  return first !== undefined && second !== undefined && first.dev === second.dev && first.ino === second.ino
}
