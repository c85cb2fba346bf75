import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { S3StorageOptions } from '../../src/index.ts'

const PAUSE_MS = 2

export interface Host {
  pid: number
  get: (route: string) => Promise<unknown>
  post: (route: string, body?: unknown) => Promise<unknown>
  /** Milliseconds that a small route took, asked again and again during some work. */
  latencies: (work: () => Promise<unknown>) => Promise<number[]>
  /** How late the event loop was since this was last asked. */
  delay: () => Promise<{ longestMs: number, p99Ms: number }>
  stop: () => Promise<void>
}

/** Starts an application with the package in a process of its own, its snapshots in local files or in a bucket. */
export async function startHost (database: string, snapshotDir: string, s3?: S3StorageOptions): Promise<Host> {
  const child = fork(fileURLToPath(new URL('host-process.ts', import.meta.url)), [database, snapshotDir, ...s3 === undefined ? [] : [JSON.stringify(s3)]])
  const [url] = await once(child, 'message') as [string]
  const ask = async (route: string, init: RequestInit = {}): Promise<string> => {
    const response = await fetch(url + route, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${route}: ${text}`)
    return text
  }
  return {
    pid: child.pid as number,
    get: async route => await ask(route),
    post: async (route, body = {}) => JSON.parse(await ask(route, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })),
    latencies: async work => {
      const seen: number[] = []
      const state = { isOver: false }
      const over = work().finally(() => { state.isOver = true })
      while (!state.isOver) {
        const started = performance.now()
        await ask('/event')
        seen.push(performance.now() - started)
        await sleep(PAUSE_MS)
      }
      await over
      return seen
    },
    delay: async () => JSON.parse(await ask('/delay')),
    stop: async () => {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    }
  }
}
