import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { recordDrill } from '../../catalog/drills.ts'
import type { SnapshotRow } from '../../catalog/schema.ts'
import { codeOf, InvalidRequestError, messageOf, NotRestorableError, SnapshotDamagedError } from '../../errors.ts'
import { LockFile } from '../../lock-file.ts'
import type { SnapshotStorage } from '../../storage/snapshot-storage.ts'
import type { SnapshotContext } from '../context.ts'
import { requireRoom } from '../disk-space.ts'
import { migrateStaged, unlessAborted } from '../migrate-staged.ts'
import { noteJobDone } from '../note-job-done.ts'
import { UNCHANGED } from '../record-change.ts'
import { isStoredIn, readStored } from '../replicas/read-stored.ts'
import { timeStamp } from '../snapshot-name.ts'
import { readManifest, stageAlone } from '../stored-snapshot.ts'
import { toMarkdown, type DrillReport, type DrillStep } from './drill-report.ts'
import { lockFileOf, scratchOf, withScratch } from './scratch.ts'

/** Errors of a drill that did not begin: nothing was found out about restores. */
const NO_OUTCOME = new Set(['FST_SNAPSHOT_BUSY', 'FST_SNAPSHOT_QUEUE_FULL', 'FST_SNAPSHOT_NOT_FOUND', 'FST_SNAPSHOT_NOT_RESTORABLE', 'FST_SNAPSHOT_INVALID_NAME', 'FST_SNAPSHOT_INVALID_REQUEST'])
/** How long a drill waits for another one. */
const LOCK_WAIT_MS = 1_000

export interface DrillTarget {
  /** Finds the snapshot. */
  find: () => Promise<SnapshotRow>
  /** The storage to read it from. Default: the last one that has it, which is the farthest. */
  storage: string | undefined
}

/**
 * Restores a snapshot to a scratch file as on a blank machine, and looks whether the application could live with it. The live
 * database is not touched. What goes wrong is the outcome of the drill, and no error.
 * @throws FST_SNAPSHOT_BUSY (another drill, or another process at work), FST_SNAPSHOT_QUEUE_FULL, FST_SNAPSHOT_NOT_FOUND,
 * FST_SNAPSHOT_NOT_RESTORABLE, FST_SNAPSHOT_INVALID_REQUEST, FST_SNAPSHOT_CANCELLED
 */
export async function runDrill (context: SnapshotContext, target: DrillTarget, signal: AbortSignal): Promise<DrillReport> {
  mkdirSync(join(context.settings.snapshotDir, '.locks'), { recursive: true, mode: 0o700 })
  const lock = await LockFile.take(lockFileOf(context), LOCK_WAIT_MS, signal)
  try {
    return await withScratch(scratchOf(context), async scratch => {
      const report = await rehearse(context, target, join(scratch, 'drill.db'), signal)
      await keep(context, report)
      return report
    })
  } finally {
    lock.release()
  }
}

async function rehearse (context: SnapshotContext, target: DrillTarget, file: string, signal: AbortSignal): Promise<DrillReport> {
  const { settings: { databaseName: database } } = context
  const report: DrillReport = { id: randomUUID(), database, snapshot: null, storage: null, startedAt: new Date().toISOString(), durationMs: 0, isSuccess: false, error: null, steps: [] }
  const started = performance.now()
  const step = async (name: DrillStep, work: () => Promise<unknown>): Promise<void> => {
    const begun = performance.now()
    const error = await work().then(() => null, (error: unknown) => ({ error }))
    report.steps.push({ name, durationMs: Math.round(performance.now() - begun), error: error === null ? null : wordsOf(error.error) })
    if (error !== null) throw error.error
  }
  const check = async (mode: 'full' | 'quick', foreignKeys: boolean): Promise<void> => {
    const { isHealthy, errors } = await context.runEngine('check-integrity', { target: { ...context.target, path: file }, mode, foreignKeys }, { signal })
    if (!isHealthy) throw new Error(errors.slice(0, 3).join('; '))
  }
  try {
    await step('restore', async () => { await restoreTo(context, target, file, report, signal) })
    await step('integrity', async () => { await check('full', false) })
    await step('foreign keys', async () => { await check('quick', true) })
    await step('migrations', async () => { await inTime(context, signal, async signal => { await migrateStaged(context, file, signal) }) })
    await step('validation', async () => { await inTime(context, signal, async signal => { await validate(context, file, signal) }) })
  } catch (error) {
    signal.throwIfAborted()
    if (report.steps.length === 1 && NO_OUTCOME.has(String(codeOf(error)))) throw error // those of the application, later, are outcomes
    report.error = wordsOf(error)
  }
  return Object.assign(report, { isSuccess: report.error === null, durationMs: Math.round(performance.now() - started) })
}

/** What the application does may never end. */
async function inTime ({ settings: { validateTimeout } }: SnapshotContext, signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const limit = new AbortController()
  const timer = setTimeout(() => { limit.abort(new Error(`it was not done after ${validateTimeout} ms`)) }, validateTimeout)
  await work(AbortSignal.any([signal, limit.signal])).finally(() => { clearTimeout(timer) })
}

/** Of a drill nobody expects that the live database is changed. */
const wordsOf = (error: unknown): string => messageOf(error).replace(UNCHANGED, '')

async function restoreTo (context: SnapshotContext, { find, storage: wanted }: DrillTarget, file: string, report: DrillReport, signal: AbortSignal): Promise<void> {
  const found = await find()
  const { id, name, createdAt, size } = found
  const storage = farthest(context, found, wanted)
  Object.assign(report, { snapshot: { id, name, createdAt, size }, storage: storage.name })
  const manifest = await readStored(context, id, storage, signal, async row => {
    const manifest = await readManifest(storage, row)
    await requireRoom([{ folder: join(file, '..'), bytes: manifest.image.size, what: 'the rehearsed restore' }])
    await stageAlone(context, storage, manifest, file, signal)
    return manifest
  })
  if (manifest === null) throw new NotRestorableError(name, `storage ${storage.name} does not have it any more`)
}

/** @throws FST_SNAPSHOT_INVALID_REQUEST, FST_SNAPSHOT_NOT_RESTORABLE where the storage that is wanted does not have it, FST_SNAPSHOT_DAMAGED where none has it */
function farthest (context: SnapshotContext, row: SnapshotRow, wanted: string | undefined): SnapshotStorage {
  const storages = context.storages.map(({ storage }) => storage)
  const hasIt = (storage: SnapshotStorage): boolean => isStoredIn(row, storage)
  if (wanted !== undefined) {
    const storage = context.storageNamed(wanted)
    if (storage === undefined) throw new InvalidRequestError(`storage: there is none called ${wanted}; there are ${storages.map(({ name }) => name).join(', ')}`)
    if (!hasIt(storage)) throw new NotRestorableError(row.name, `storage ${wanted} does not have it`)
    return storage
  }
  const storage = storages.findLast(hasIt)
  if (storage === undefined) throw new SnapshotDamagedError(`${row.name} is in no storage that is configured`)
  return storage
}

/** The application's own judgement. */
async function validate ({ settings: { validate } }: SnapshotContext, file: string, signal: AbortSignal): Promise<void> {
  if (validate === undefined) return
  const database = new Database(file, { readonly: true })
  try {
    const verdict = await unlessAborted(validate(database, signal), signal)
    if (verdict !== undefined && verdict !== null && !verdict) throw new Error(`the application does not accept it: validate returned ${JSON.stringify(verdict)}`)
  } finally {
    database.close()
  }
}

async function keep (context: SnapshotContext, report: DrillReport): Promise<void> {
  const { catalog, logger, settings: { recoveryDir } } = context
  recordDrill(catalog, report)
  noteJobDone(context, 'drill')
  const folder = join(recoveryDir, 'drills')
  const base = join(folder, `drill_${timeStamp(new Date(report.startedAt))}_${report.id.slice(0, 8)}`)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    await writeFile(`${base}.json`, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 })
    await writeFile(`${base}.md`, toMarkdown(report), { mode: 0o600 })
  } catch (error) {
    logger.warn({ err: error }, `The report of a drill was not written: ${messageOf(error)}. It is in the catalog`)
  }
  if (report.isSuccess) logger.info({ snapshot: report.snapshot?.name, storage: report.storage, durationMs: report.durationMs }, 'A restore was rehearsed')
  else logger.error({ snapshot: report.snapshot?.name, storage: report.storage, error: report.error }, `A rehearsed restore failed: ${String(report.error)}`)
}
