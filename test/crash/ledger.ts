import Database from 'better-sqlite3'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { SnapshotWriter } from '../../src/index.ts'
import { commitsIn } from '../helpers/bank.ts'
import { integrityOf } from '../helpers/databases.ts'
import { leftovers } from './check.ts'

/** Accounts whose amounts do not follow from the commits that the database holds. */
const WRONG = `SELECT count(*) FROM (
  SELECT l.amount + r.amount AS difference, r.amount - coalesce((SELECT sum(number % 7) FROM commits WHERE number % 50 + 1 = r.id), 0) AS missing
  FROM left_account l JOIN right_account r USING (id)) WHERE difference <> 0 OR missing <> 0`

/** How many backups stay on the disk; of the others it is known what they held. */
const BACKUPS_KEPT = 4

/** What was acknowledged to the application, and where it is. */
export class Ledger {
  /** Acknowledged commits that no backup holds: the live database must. */
  readonly #onlyLive = new Set<number>()
  readonly #snapshots = new Map<string, Set<number>>()
  readonly #backups = new Map<string, Set<number>>()
  readonly #folder: string
  #acknowledged = 0

  constructor (folder: string) {
    this.#folder = folder
  }

  get acknowledged (): number {
    return this.#acknowledged
  }

  /**
   * Whatever is not as it must be once everything is settled; the application has to be quiet.
   * @param acknowledged commits that the application was told of since the last time
   */
  async findProblems (writer: SnapshotWriter, acknowledged: number[]): Promise<string[]> {
    const live = join(this.#folder, 'app.db')
    this.#acknowledged += acknowledged.length
    for (const number of acknowledged) this.#onlyLive.add(number)
    const problems = judgeContent('the live database', live)
    problems.push(...await this.#lookAtSnapshots(writer), ...this.#lookAtBackups(writer))
    const commits = commitsIn(live)
    const lost = [...this.#onlyLive].filter(number => !commits.has(number))
    if (lost.length > 0) problems.push(`${lost.length} acknowledged commits are nowhere, the first is ${String(lost[0])}`)
    for (const number of lost) this.#onlyLive.delete(number)
    problems.push(...this.#judgeRestores(writer, commits))
    const { snapshots } = await writer.listSnapshots({ limit: 1000 })
    return [...problems, ...leftovers(this.#folder, snapshots.map(({ id }) => id))]
  }

  async #lookAtSnapshots (writer: SnapshotWriter): Promise<string[]> {
    const problems: string[] = []
    for (const { id, name, status } of (await writer.listSnapshots({ limit: 1000 })).snapshots) {
      if (status === 'CREATING') problems.push(`the snapshot ${name} is CREATING for ever`)
      if (status === 'FAILED' || status === 'CREATING' || this.#snapshots.has(id)) continue
      const file = join(this.#folder, 'restored.db')
      await writer.restoreToFile(id, file)
      problems.push(...judgeContent(`the snapshot ${name}`, file))
      this.#snapshots.set(id, commitsIn(file))
      this.#snapshots.set(name, commitsIn(file))
      removeDatabase(file)
    }
    return problems
  }

  #lookAtBackups (writer: SnapshotWriter): string[] {
    const problems: string[] = []
    const backups = writer.recovery.listPreRestoreBackups()
    for (const { name, path } of backups.filter(({ name }) => !this.#backups.has(name))) {
      problems.push(...judgeContent(`the backup ${name}`, path))
      const commits = commitsIn(path)
      for (const number of commits) this.#onlyLive.delete(number)
      this.#backups.set(name, commits)
      this.#backups.set(path, commits)
      for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
    }
    for (const { path } of backups.slice(BACKUPS_KEPT)) rmSync(path)
    return problems
  }

  /** Only the last one shows: after a success its content is live, after anything else the one from before. */
  #judgeRestores (writer: SnapshotWriter, live: Set<number>): string[] {
    const restores = writer.recovery.listRestores()
    const problems = restores.filter(({ status }) => !['SUCCESS', 'FAILED', 'ROLLED_BACK'].includes(status)).map(({ kind, status }) => `a ${kind} is ${status} for ever`)
    const [last] = restores
    const before = this.#backups.get(String(last?.preRestoreBackup))
    if (last === undefined || before === undefined) return problems
    if (last.status !== 'SUCCESS') {
      if (![...before].every(number => live.has(number))) problems.push(`the last ${last.kind} is ${last.status}, and the old content is not live: ${String(last.error?.message)}`)
      return problems
    }
    const content = (last.kind === 'rollback' ? this.#backups : this.#snapshots).get(last.snapshot)
    if (content === undefined) return problems // deleted since
    if (![...content].every(number => live.has(number))) problems.push(`the last ${last.kind} is SUCCESS, and its content is not live`)
    if ([...before].some(number => !content.has(number) && live.has(number))) problems.push(`the last ${last.kind} is SUCCESS, and some of the old content is live`)
    return problems
  }
}

function judgeContent (what: string, path: string): string[] {
  if (!existsSync(path)) return [`${what} is not there`]
  const database = new Database(path, { timeout: 5000 })
  try {
    const wrong = database.prepare(WRONG).pluck().get() as number
    const integrity = integrityOf(path)
    return [...wrong === 0 ? [] : [`${what} mixes two contents: ${wrong} accounts are wrong`], ...integrity === 'ok' ? [] : [`${what} is not sound: ${integrity}`]]
  } catch (error) {
    return [`${what} cannot be read: ${String(error)}`]
  } finally {
    database.close()
  }
}

function removeDatabase (path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}
