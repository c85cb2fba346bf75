import Database from 'better-sqlite3'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { SnapshotWriter, type SnapshotOptions } from '../../src/index.ts'
import { snapshotSettings } from '../../src/options.ts'
import { SnapshotContext } from '../../src/snapshots/context.ts'
import { contentOf, makeDatabase, type DatabaseOptions } from './databases.ts'
import { testFolder } from './folder.ts'

export interface LogEntry { level: 'info' | 'warn' | 'error', message: string }

export interface Recoverable {
  /** Path of the live database. */
  path: string
  /** What belongs to the deployment is in here. */
  folder: string
  recovery: string
  /** Its engines can be made to fail. */
  context: SnapshotContext
  writer: SnapshotWriter
  log: LogEntry[]
  /** Content of the snapshot `a`. */
  saved: Record<string, string>
  /** Content of the live database, which was changed since. */
  before: Record<string, string>
}

/** A database with the snapshot `a`, changed since. */
export async function recoverable (t: Test, options: SnapshotOptions = {}, database: DatabaseOptions = {}): Promise<Recoverable> {
  const folder = join(testFolder(t), 'host')
  mkdirSync(folder)
  const path = join(folder, 'app.db')
  makeDatabase(path, database).close()
  const log: LogEntry[] = []
  const { context, writer } = openWriter(t, path, options, log)
  await writer.createSnapshot('a')
  const saved = contentOf(path)
  change(path, 'DELETE FROM items WHERE id < 50')
  return { path, folder, recovery: join(folder, 'recovery'), context, writer, log, saved, before: contentOf(path) }
}

/** A writer as a process has that begins, closed when the test ends. */
export function openWriter (t: Test, path: string, options: SnapshotOptions = {}, log: LogEntry[] = []): Pick<Recoverable, 'context' | 'writer' | 'log'> {
  const note = (level: LogEntry['level']) => (_details: object, message: string): void => { log.push({ level, message }) }
  const logger = { info: note('info'), warn: note('warn'), error: note('error') }
  const context = new SnapshotContext(snapshotSettings({ database: path, lockTimeout: 1000, probeStorage: false, logger, ...options }))
  const writer = new SnapshotWriter(context)
  t.teardown(async () => { await writer.close() })
  return { context, writer, log }
}

export function change (path: string, sql: string): void {
  new Database(path).exec(sql).close()
}
