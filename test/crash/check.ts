import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import type { SnapshotWriter } from '../../src/index.ts'
import { contentOf, integrityOf } from '../helpers/databases.ts'

/** What a database holds, as a text to compare; of one that SQLite cannot read, the bytes. */
export function stateOf (path: string): string {
  if (!existsSync(path)) return 'nothing'
  try {
    return JSON.stringify(contentOf(path))
  } catch {
    return `unreadable ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
  }
}

const isSound = (state: string): boolean => state.startsWith('{')

export interface Expected {
  before: string
  after: string
  isChange: boolean
  isDeletion: boolean
  /** Restores that were recorded before. */
  restores: number
  /** Contents of snapshots, by their names. */
  contents: Map<string, string>
}

/** Whatever is not as it must be once everything is settled. */
export async function findProblems (folder: string, writer: SnapshotWriter, expected: Expected): Promise<string[]> {
  const path = join(folder, 'app.db')
  const live = stateOf(path)
  return [
    ...judgeLive(path, live, expected),
    ...expected.isChange ? judgeRestores(writer, live, expected) : [],
    ...judgeBackups(folder, writer, live, expected),
    ...await judgeSnapshots(folder, writer, expected),
    ...leftovers(folder, (await writer.listSnapshots({ limit: 1000 })).snapshots.map(({ id }) => id))
  ]
}

function judgeLive (path: string, live: string, { before, after }: Expected): string[] {
  if (live !== before && live !== after) return [`the live database has neither its old nor its new content, but ${live}`]
  return isSound(live) && integrityOf(path) !== 'ok' ? [`the live database is not sound: ${integrityOf(path)}`] : []
}

/** The last one succeeded if, and only if, the database has the new content. */
function judgeRestores (writer: SnapshotWriter, live: string, { before, after, restores: earlier }: Expected): string[] {
  const restores = writer.recovery.listRestores()
  const [last] = restores
  const problems = restores.filter(({ status }) => !['SUCCESS', 'FAILED', 'ROLLED_BACK'].includes(status)).map(({ kind, status }) => `a ${kind} is ${status} for ever`)
  const isNew = live === after && before !== after
  if (isNew && restores.length === earlier) problems.push('the content is new, and no restore is recorded')
  if (last === undefined || restores.length === earlier) return problems
  if (isNew !== (last.status === 'SUCCESS') && before !== after) problems.push(`the content is ${isNew ? 'new' : 'old'}, and the ${last.kind} is ${last.status}: ${String(last.error?.message)}`)
  if (last.status !== 'SUCCESS' && !/\w/.test(last.error?.message ?? '')) problems.push(`the ${last.kind} is ${last.status} for no reason`)
  if (last.status === 'SUCCESS' && last.error !== null) problems.push(`the ${last.kind} succeeded with an error: ${last.error.message}`)
  if (last.times[last.status as 'SUCCESS'] === undefined) problems.push(`it is not known when the ${last.kind} was ${last.status}`)
  if (last.preRestoreBackup !== null && !existsSync(last.preRestoreBackup)) problems.push(`the ${last.kind} names a backup that is not there: ${last.preRestoreBackup}`)
  if (isNew && isSound(before) && last.preRestoreBackup === null) problems.push(`the ${last.kind} names no backup`)
  return problems
}

function judgeBackups (folder: string, writer: SnapshotWriter, live: string, { before, after }: Expected): string[] {
  const backups = writer.recovery.listPreRestoreBackups()
  const problems = backups.filter(({ path }) => isSound(before) && (!isSound(stateOf(path)) || integrityOf(path) !== 'ok')).map(({ name }) => `the backup ${name} is not sound`)
  const isNew = live === after && before !== after
  const isKept = backups.some(({ path }) => stateOf(path) === before) || quarantined(folder).some(file => stateOf(file) === before)
  if (isNew && before !== 'nothing' && !isKept) problems.push('the old content is in no backup')
  const latest = join(folder, 'recovery', 'pre_restore_latest.db')
  const isLinked = readdirSync(join(folder, 'recovery')).includes(basename(latest))
  if (isLinked && !backups.some(({ path }) => existsSync(latest) && path === realpathSync(latest))) problems.push('pre_restore_latest.db names nothing')
  for (const file of readdirSync(join(folder, 'recovery')).filter(file => /-(wal|shm)$/.test(file))) rmSync(join(folder, 'recovery', file)) // of looking at it
  return problems
}

function quarantined (folder: string): string[] {
  const recovery = join(folder, 'recovery')
  return readdirSync(recovery).filter(name => name.startsWith('quarantine_')).map(name => join(recovery, name, 'app.db')).filter(file => existsSync(file))
}

async function judgeSnapshots (folder: string, writer: SnapshotWriter, { contents }: Expected): Promise<string[]> {
  const problems: string[] = []
  for (const { name, status, error } of (await writer.listSnapshots({ limit: 1000 })).snapshots) {
    if (status === 'FAILED' && error !== null) continue
    if (status !== 'COMPLETED' && status !== 'SUCCESS') {
      problems.push(`the snapshot ${name} is ${status}`)
      continue
    }
    const file = join(folder, `restored ${name}.db`)
    try {
      await writer.restoreToFile(name, file)
      if (stateOf(file) !== contents.get(name)) problems.push(`the snapshot ${name} has another content`)
    } catch (thrown) {
      problems.push(`the snapshot ${name} is ${status} and does not restore: ${String(thrown)}`)
    }
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
  }
  return problems
}

/** What belongs to a deployment at rest. */
const AT_REST = [
  /^app\.db(-wal|-shm)?$/,
  /^backups\/(catalog\.db(-wal|-shm)?|\.source|\.locks\/[\w.]+\.lock|\.databases\/app|\.cache\/app\.pages)$/,
  /^recovery\/(\.database|pre_(restore|rollback|reset)_\d{8}T\d{6}Z(_\d+)?\.db(\.sha256)?|pre_restore_latest\.db|quarantine_\d{8}T\d{6}Z(_\d+)?\/app\.db(-wal|-shm|-journal)?)$/
]

/** Files that belong to nothing any more, and empty folders. */
export function leftovers (folder: string, ids: string[]): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => !entry.isDirectory()).map(({ parentPath, name }) => relative(folder, join(parentPath, name)))
  const manifests = files.filter(file => /^backups\/app\/snapshots\/[^.]/.test(file)).map(file => readFileSync(join(folder, file), 'utf8')).join()
  const stored = (file: string): boolean => {
    const [, room, id = ''] = /^backups\/app\/(snapshots|marks|packs)\/([0-9a-f-]{36})(?:\.json|\/data\.zst)$/.exec(file) ?? []
    return room === 'packs' ? manifests.includes(id) : ids.includes(id)
  }
  const unknown = files.filter(file => !AT_REST.some(known => known.test(file)) && !stored(file))
  // A pack whose creation failed may be kept for the next one to share.
  const offered = existsSync(join(folder, 'backups/.cache/app.pages')) ? readFileSync(join(folder, 'backups/.cache/app.pages')).toString('latin1') : ''
  const isOffered = (file: string): boolean => /\/packs\//.test(file) && offered.includes(file.split('/')[3] as string)
  const empty = entries.filter(entry => entry.isDirectory() && /^quarantine/.test(entry.name) && readdirSync(join(entry.parentPath, entry.name)).length === 0)
  return [...unknown.filter(file => !isOffered(file)).map(file => `${file} is left over`), ...empty.map(({ name }) => `the empty folder ${name} is left over`)]
}
