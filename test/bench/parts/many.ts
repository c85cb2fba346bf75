import Fastify, { type FastifyInstance } from 'fastify'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeDatabase } from '../../helpers/databases.ts'
import { builtPlugin } from '../../helpers/built.ts'
import type { Bench } from '../bench.ts'
import { timed } from '../measure.ts'
import { atMost, atMostTimes, inMilliseconds, inSeconds, type Part } from '../report.ts'
import { median } from '../statistics.ts'

const MANY = 100
const SCRAPES = 20
const SCRAPE_LIMIT_MS = 100

/** An application with many databases: how it starts, and what its metrics and its schedules cost. */
export async function many ({ folder }: Bench): Promise<Part> {
  const one = await measureHost(join(folder, 'one'), 1)
  const all = await measureHost(join(folder, 'many'), MANY)
  return {
    title: `${MANY} databases in one application`,
    text: 'Each with all its schedules. Ready means that the application takes requests; the first snapshots of all are made as the schedule does, at most as many at once as there are processors.',
    table: [
      ['databases', 'ready', 'a scrape', 'all have a scheduled snapshot', 'longest event loop delay meanwhile'],
      ...[one, all].map(({ count, ready, scrape, snapshots, delay }) => [String(count), inSeconds(ready), inMilliseconds(scrape), inSeconds(snapshots), inMilliseconds(delay)])
    ],
    bars: [
      atMostTimes(`ready with ${MANY} databases`, MANY, 'with one', all.ready, one.ready),
      atMost('a scrape, median', SCRAPE_LIMIT_MS, 'ms', all.scrape)
    ]
  }
}

async function measureHost (folder: string, count: number): Promise<{ count: number, ready: number, scrape: number, snapshots: number, delay: number }> {
  const paths = Array.from({ length: count }, (_, number) => join(folder, String(number), 'app.db'))
  for (const path of paths) {
    mkdirSync(join(path, '..'), { recursive: true })
    makeDatabase(path, { rows: 1000 }).close()
  }
  const app = Fastify()
  const ready = await timed(async () => { await start(app, paths) })
  let [delay, last] = [0, performance.now()]
  const timer = setInterval(() => {
    delay = Math.max(delay, performance.now() - last - 10)
    last = performance.now()
  }, 10)
  const snapshots = await timed(async () => {
    for (;;) {
      const { body } = await app.inject('/metrics')
      if ((body.match(/^snapshot_creations_total\{.*\} [1-9]/gm) ?? []).length === count) break
      await new Promise(resolve => { setTimeout(resolve, 100) })
    }
  })
  clearInterval(timer)
  const scrapes: number[] = []
  for (let scrape = 0; scrape < SCRAPES; scrape++) scrapes.push(await timed(async () => await app.inject('/metrics')) * 1000)
  await app.close()
  return { count, ready, scrape: median(scrapes), snapshots, delay }
}

async function start (app: FastifyInstance, paths: string[]): Promise<void> {
  const everyMinute = `${(new Date().getSeconds() + 10) % 60} * * * * *`
  for (const [number, database] of paths.entries()) await app.register(builtPlugin, { namespace: `db-${number}`, database, auth: false, schedule: { snapshots: everyMinute, jitter: 10_000 } })
  await app.ready()
}
