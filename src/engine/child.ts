import { once } from 'node:events'
import { getPriority, setPriority } from 'node:os'
import { serializeError } from '../errors.ts'
import { dieWithHost } from './die-with-host.ts'
import type { EngineContext, FromEngine, TaskName, Tasks, ToEngine } from './messages.ts'

/*
 * The entry of an engine process: it takes one task, answers, and ends.
 */

/** How much nicer than its host an engine is. */
const LOW_PRIORITY = 10

type Task<K extends TaskName> = (input: Tasks[K]['input'], context: EngineContext) => Promise<Tasks[K]['result']>

/** Only what the task needs is loaded: an engine starts for each. */
const tasks: { [K in TaskName]: () => Promise<Task<K>> } = {
  'apply-image': async () => (await import('./apply/apply-image.ts')).applyImage,
  'check-integrity': async () => (await import('./check-integrity.ts')).checkIntegrity,
  checkpoint: async () => (await import('./checkpoint.ts')).checkpoint,
  'copy-database': async () => (await import('./apply/copy-database.ts')).copyDatabase,
  'create-image': async () => (await import('./create/create-image.ts')).createImage,
  'judge-content': async () => (await import('./apply/judge-content.ts')).judgeContent,
  'keep-files': async () => (await import('./apply/keep-files.ts')).keepFiles,
  'mend-catalog': async () => (await import('./mend-catalog.ts')).mendCatalog,
  'make-empty': async () => (await import('./make-empty.ts')).makeEmpty,
  'diff-tables': async () => (await import('./tables/diff-tables.ts')).diffTables,
  'inspect-tables': async () => (await import('./tables/inspect-tables.ts')).inspectTables,
  migrate: async () => (await import('./migrate.ts')).migrate,
  'replace-file': async () => (await import('./apply/replace-file.ts')).replaceFile,
  'settle-replacement': async () => (await import('./apply/settle-replacement.ts')).settleReplacement,
  'restore-tables': async () => (await import('./tables/restore-tables.ts')).restoreTables,
  'take-backup': async () => (await import('./apply/backup-checksum.ts')).takeBackup,
  salvage: async () => (await import('./salvage/salvage.ts')).salvage,
  'stage-image': async () => (await import('./stage/stage-image.ts')).stageImage
}

// Before any other thread is made: on Linux a thread inherits the niceness of the one that makes it.
if (process.argv[2] === 'low') setPriority(Math.min(getPriority() + LOW_PRIORITY, 19))
dieWithHost()
// A signal to the whole process group is the host's to answer: it lets the engine finish or kills it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

const send = async (message: FromEngine): Promise<void> => {
  await new Promise<void>(resolve => { process.send?.(message, undefined, {}, () => { resolve() }) })
}

const context: EngineContext = {
  input: process.stdin,
  tell: async event => {
    const acknowledged = once(process, 'message')
    await send({ type: 'event', event })
    await acknowledged
  }
}

const [message] = await once(process, 'message') as [Extract<ToEngine, { type: 'run' }>]
try {
  const run = await tasks[message.task]() as (input: unknown, context: EngineContext) => Promise<unknown>
  await send({ type: 'result', result: await run(message.input, context) })
} catch (error) {
  await send({ type: 'error', error: serializeError(error) })
}
// Not process.exit(): on its way out Node waits for its compiler threads, which may be waiting for this one
// (https://github.com/nodejs/node/issues/54918), and an engine that hangs keeps its locks.
process.emit('exit', 0)
process.kill(process.pid, 'SIGKILL')
