import { join } from 'node:path'
import { takeBackup } from '../../src/engine/apply/backup-checksum.ts'
import { checkpoint } from '../../src/engine/checkpoint.ts'
import type { runEngine } from '../../src/engine/engine.ts'
import type { EngineContext, TaskName } from '../../src/engine/messages.ts'
import { mendCatalog } from '../../src/engine/mend-catalog.ts'
import { stageImage } from '../../src/engine/stage/stage-image.ts'
import { LocalStorage, SnapshotWriter } from '../../src/index.ts'
import { silentLogger, type Logger } from '../../src/logger.ts'
import { snapshotSettings } from '../../src/options.ts'
import { SnapshotContext } from '../../src/snapshots/context.ts'

type Task = (input: unknown, context: EngineContext) => Promise<unknown>
const tasks: Partial<Record<TaskName, unknown>> = { 'stage-image': stageImage, 'take-backup': takeBackup, 'mend-catalog': mendCatalog, checkpoint }

/** Runs what touches no live database in this process: a process for each would take most of the time. */
const runHere = (async (task: TaskName, input: unknown) => {
  const run = tasks[task] as Task | undefined
  if (run === undefined) throw new Error(`${task} needs a process of its own`)
  return await run(input, { input: process.stdin, tell: async () => {} })
}) as typeof runEngine

/**
 * A writer that has its engines in this process, and its catalog elsewhere than what is stored; with a recovery folder of its own, as
 * one has one catalog. @throws what a SnapshotWriter throws
 */
export function writerHere (database: string, snapshotDir: string, stored: string, logger: Logger = silentLogger): SnapshotWriter {
  const context = new SnapshotContext(snapshotSettings({ database, snapshotDir, recoveryDir: join(snapshotDir, 'recovery'), storage: new LocalStorage(stored), probeStorage: false, logger }))
  context.runEngine = runHere
  return new SnapshotWriter(context)
}
