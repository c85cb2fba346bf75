import { join } from 'node:path'
import type { Test } from 'tap'
import { SnapshotWriter, type SnapshotOptions } from '../../src/index.ts'
import { snapshotSettings } from '../../src/options.ts'
import { SnapshotContext } from '../../src/snapshots/context.ts'
import { makeDatabase } from './databases.ts'
import { testFolder } from './folder.ts'

/** A database, and a writer of its snapshots whose inside is at hand. */
export function openContext (t: Test, options: SnapshotOptions = {}): { path: string, context: SnapshotContext, writer: SnapshotWriter } {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const context = new SnapshotContext(snapshotSettings({ database: path, ...options }))
  const writer = new SnapshotWriter(context)
  t.teardown(async () => { await writer.close() })
  return { path, context, writer }
}
