import { execFile, fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { makeLargeDatabase } from '../helpers/databases.ts'

/*
 * The main job, measured on the built package as users have it: create and restore of one database beside `cp` of the same
 * file, peak memory of host and engine, and the host's latency idle and during snapshots.
 *
 *   npm run bench            100 MB
 *   BENCH_MB=1000 npm run bench
 *
 * Every figure stands beside one taken in the same run, as machines differ.
 */
const megabytes = Number(process.env.BENCH_MB ?? 100)
const RUNS = 5
const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'bench-'))
const path = join(folder, 'app.db')
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number
const percentile = (values: number[], part: number): number => values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] as number

makeLargeDatabase(path, megabytes * 1_000_000)
const host = fork(fileURLToPath(new URL('host.ts', import.meta.url)), [path], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
const [url] = await once(host, 'message') as [string]

/** Peak resident bytes of a process, in megabytes. */
const peakOf = (pid: number): number => {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
const enginesOf = (pid: number): number[] => readdirSync('/proc').filter(entry => /^\d+$/.test(entry)).map(Number).filter(candidate => {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${candidate}/status`, 'utf8'))?.[1]) === pid
  } catch {
    return false
  }
})

async function post (route: string): Promise<Record<string, number>> {
  const response = await fetch(url + route, { method: 'POST' })
  const body = await response.json() as Record<string, number>
  if (!response.ok) throw new Error(JSON.stringify(body))
  return body
}

async function timed (work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

/** Latencies of a small route of the host, one request after another, while something else goes on. */
async function latencies (during: Promise<unknown>): Promise<number[]> {
  const seen: number[] = []
  const state = { isOver: false }
  void during.then(() => { state.isOver = true })
  while (!state.isOver) {
    const started = performance.now()
    await (await fetch(`${url}/notes`)).text()
    seen.push(performance.now() - started)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  return seen
}

let enginePeak = 0
const watch = setInterval(() => { for (const pid of enginesOf(host.pid as number)) enginePeak = Math.max(enginePeak, peakOf(pid)) }, 5)
const times: Record<'cp' | 'create' | 'restore' | 'locked', number[]> = { cp: [], create: [], restore: [], locked: [] }
for (let number = 0; number < RUNS; number++) {
  times.cp.push(await timed(async () => { await run('bash', ['-c', `cp '${path}' '${folder}/copy.db' && sync '${folder}/copy.db'`]) }))
  times.create.push(await timed(async () => { await post('/snapshots') }))
  times.restore.push(await timed(async () => { times.locked.push((await post('/snapshots/latest/restore')).lockedMs as number / 1000) }))
}
clearInterval(watch)

const idle = await latencies(new Promise(resolve => setTimeout(resolve, 3000)))
const busy = await latencies((async () => { for (let number = 0; number < RUNS; number++) await post('/snapshots') })())
const peak = peakOf(host.pid as number)
const { eventLoopMaximumMs } = await (await fetch(`${url}/delay`)).json() as { eventLoopMaximumMs: number }
await stop(host)
rmSync(folder, { recursive: true })

const cp = median(times.cp)
const rows: Array<[string, string]> = [
  ['cp and sync of the file', `${cp.toFixed(2)} s`],
  ['create', `${median(times.create).toFixed(2)} s, ${(median(times.create) / cp).toFixed(1)} x cp`],
  ['live restore, all steps', `${median(times.restore).toFixed(2)} s, ${(median(times.restore) / cp).toFixed(1)} x cp`],
  ['of that, writers wait', `${median(times.locked).toFixed(2)} s`],
  ['peak memory of the host', `${peak.toFixed(0)} MB`],
  ['peak memory of an engine', `${enginePeak.toFixed(0)} MB`],
  ['latency of the host, idle', `p50 ${percentile(idle, 0.5).toFixed(2)} ms, p99 ${percentile(idle, 0.99).toFixed(2)} ms`],
  ['latency of the host, during snapshots', `p50 ${percentile(busy, 0.5).toFixed(2)} ms, p99 ${percentile(busy, 0.99).toFixed(2)} ms (${(percentile(busy, 0.99) / percentile(idle, 0.99)).toFixed(2)} x idle)`],
  ['longest delay of its event loop', `${eventLoopMaximumMs.toFixed(1)} ms`]
]
console.log(`A database of ${megabytes} MB, medians of ${RUNS} runs:\n`)
for (const [what, figure] of rows) console.log(`${what.padEnd(40)} ${figure}`)

async function stop (child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.send('stop')
  await exited
}
