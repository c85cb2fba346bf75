import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const INTERVAL_MS = 20

/** A process that writes to a database all the time, as an application does. */
export interface Writer {
  /** What it saw since it was last asked. */
  report: () => Promise<{ commits: number, longestMs: number }>
  stop: () => Promise<void>
}

/** @param does whether it writes or only reads */
export async function startWriter (path: string, does: 'write' | 'read' = 'write'): Promise<Writer> {
  const child = fork(fileURLToPath(new URL('writer-process.ts', import.meta.url)), [path, String(INTERVAL_MS), does])
  const died = once(child, 'exit').then(() => { throw new Error('the writer has ended') })
  died.catch(() => {})
  const answer = async (): Promise<unknown> => (await Promise.race([once(child, 'message'), died]))[0]
  await answer()
  return {
    report: async () => {
      child.send('report')
      return await answer() as { commits: number, longestMs: number }
    },
    stop: async () => {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    }
  }
}

/** Runs something while a process writes to a database. */
export async function underWriter<T> (path: string, work: (writer: Writer) => Promise<T>): Promise<T> {
  const writer = await startWriter(path)
  try {
    return await work(writer)
  } finally {
    await writer.stop()
  }
}
