import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { startHost } from '../host-client.ts'
import { peakMemoryOf } from '../processes.ts'
import { atMost, atMostTimes, inMebibytes, inMilliseconds, type Part } from '../report.ts'
import { percentile } from '../statistics.ts'
import { underWriter } from '../writer.ts'

const PHASE_MS = 15_000

/** What an application notices of full snapshots made one after another, with their integrity checks. */
export async function host (bench: Bench): Promise<Part> {
  const { database, file, remove } = bench.large()
  const application = await startHost(database, file('host-snapshots'))
  const phase = async (writer: { report: () => Promise<{ longestMs: number }> }, work: () => Promise<unknown>) => {
    await writer.report()
    await application.delay()
    const latencies = await application.latencies(work)
    const delay = await application.delay()
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), ...delay, waitedMs: (await writer.report()).longestMs }
  }
  const [idle, busy] = await underWriter(database, async writer => {
    await application.latencies(async () => { await sleep(2000) }) // until everything is compiled
    return [
      await phase(writer, async () => { await sleep(PHASE_MS) }),
      await phase(writer, async () => {
        for (const end = performance.now() + PHASE_MS; performance.now() < end;) await application.post('/snapshots', { full: true })
      })
    ] as const
  })
  const memory = peakMemoryOf(application.pid)
  await application.stop()
  remove('host-snapshots')

  const line = (what: string, of: (seen: typeof idle) => number): string[] => [what, inMilliseconds(of(idle)), inMilliseconds(of(busy)), (of(busy) / of(idle)).toFixed(2)]
  return {
    title: 'The host during snapshots',
    text: `A small route is asked by one client, again and again, first with nothing else going on, then while full snapshots are made one after another. Client, host, engine and a writer share ${availableParallelism()} cores. The peak memory of the host was ${inMebibytes(memory)}.`,
    table: [
      ['what', 'idle', 'during snapshots', 'ratio'],
      line('latency of a small route, median', seen => seen.p50),
      line('latency of a small route, p99', seen => seen.p99),
      line('delay of the event loop, p99', seen => seen.p99Ms),
      line('delay of the event loop, longest', seen => seen.longestMs),
      line('longest wait of a writer', seen => seen.waitedMs)
    ],
    bars: [
      atMostTimes('p99 of the host during a snapshot', 1.3, 'idle', busy.p99, idle.p99),
      atMost('event loop delay of the host', 20, 'ms', busy.longestMs),
      { what: 'longest wait of a writer during a snapshot', bar: 'not blocked', reached: `${inMilliseconds(busy.waitedMs)}, idle ${inMilliseconds(idle.waitedMs)}`, isMet: null }
    ]
  }
}
