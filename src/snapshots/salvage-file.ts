import { randomUUID } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, realpathSync, rmSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { DatabaseMissingError, DestinationTakenError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import { databaseBytes, folderOf, requireRoom } from './disk-space.ts'
import type { SalvageResult } from './outcomes.ts'
import { firstFree, timeStamp } from './snapshot-name.ts'

const HOUR_MS = 60 * 60 * 1000

/** Saves what can be read of a database file. The live one is copied first: nothing may use what is read. */
export async function salvageFile (context: SnapshotContext, damaged: string, { destination, timeLimit = HOUR_MS }: { destination?: string, timeLimit?: number }, signal: AbortSignal): Promise<SalvageResult> {
  const { target, logger, settings: { recoveryDir } } = context
  const file = resolve(damaged)
  if (!existsSync(file)) throw new DatabaseMissingError(file)
  mkdirSync(recoveryDir, { recursive: true, mode: 0o700 })
  const path = resolve(destination ?? join(recoveryDir, firstFree(`salvaged_${timeStamp(new Date())}`, '_', taken => existsSync(join(recoveryDir, `${taken}.db`))) + '.db'))
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    if (lstatSync(path + suffix, { throwIfNoEntry: false }) !== undefined) throw new DestinationTakenError(path)
  }
  mkdirSync(folderOf(path), { recursive: true })
  await requireRoom([{ folder: folderOf(path), bytes: 3 * databaseBytes(file), what: 'the salvaged database and what it is made from' }])
  const scratch = `${path}.${randomUUID()}.source`
  try {
    const isLive = existsSync(target.path) && realpathSync(file) === realpathSync(target.path)
    if (isLive) await context.runEngine('keep-files', { path: file, folder: scratch }, { signal })
    const report = await context.runEngine('salvage', { file: isLive ? join(scratch, basename(realpathSync(file))) : file, destination: path, timeLimitMs: timeLimit }, { signal })
    logger.warn({ file, path, isComplete: report.isComplete }, 'What could be read of a damaged database was saved')
    return { path, ...report }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
