import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

/** An application in a process of its own that has a database open; it ends with the test. */
export interface OpenApplication {
  /** @throws Error with what SQLite says */
  ask: (task: 'open' | 'close' | 'commit' | 'read') => Promise<unknown>
  /** Ends it without closing anything. */
  kill: () => Promise<void>
}

export async function openApplication (t: Test, path: string): Promise<OpenApplication> {
  const child = fork(fileURLToPath(new URL('../processes/hold-connection.ts', import.meta.url)), [path])
  const ended = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  const ask: OpenApplication['ask'] = async task => {
    const answered = once(child, 'message')
    child.send(task)
    const [{ result, error }] = await answered as [{ result?: unknown, error?: string }]
    if (error !== undefined) throw new Error(error)
    return result
  }
  await ask('open')
  return { ask, kill }
}
