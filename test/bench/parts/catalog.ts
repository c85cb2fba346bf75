import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench } from '../bench.ts'
import { fillCatalog, type FilledCatalog } from '../fill-catalog.ts'
import { startHost } from '../host-client.ts'
import { timed } from '../measure.ts'
import { atMost, inMilliseconds, type Part } from '../report.ts'
import { median } from '../statistics.ts'

const SNAPSHOTS = 100_000
const KEPT = 1000
const REQUESTS = 50
const LIMIT_MS = 10

/** Which snapshots are still there, by their number. */
const catalogs: Array<[of: string, isThere: (number: number) => boolean]> = [
  ['all there', () => true],
  [`all but the newest ${KEPT} deleted`, number => number > SNAPSHOTS - KEPT],
  [`all but the oldest ${KEPT} deleted`, number => number <= KEPT]
]

interface Line { of: string, what: string, median: number, worst: number }

/** Lists and metrics of a catalog of 100,000 snapshots, asked of a host over HTTP. */
export async function catalog ({ folder }: Bench): Promise<Part> {
  const lines: Line[] = []
  for (const [index, [of, isThere]] of catalogs.entries()) {
    const place = join(folder, `catalog-${index}`)
    mkdirSync(place)
    lines.push(...await measureCatalog(of, await fillCatalog(place, SNAPSHOTS, isThere)))
  }
  const slowest = (isMeant: (line: Line) => boolean): number => Math.max(...lines.filter(isMeant).map(line => line.median))
  return {
    title: 'A catalog of 100,000 snapshots',
    text: `Over HTTP, ${REQUESTS} times each; a page has 100 snapshots, 1 snapshot of 100 has failed. The catalog keeps rows of those that were deleted, too.`,
    table: [
      ['catalog', 'what', 'median', 'worst'],
      ...lines.map(({ of, what, median, worst }) => [of, what, inMilliseconds(median), inMilliseconds(worst)])
    ],
    bars: [
      atMost('a page of the list, median of the slowest kind', LIMIT_MS, 'ms', slowest(({ what }) => what.includes('page'))),
      atMost('a scrape of the metrics, median', LIMIT_MS, 'ms', slowest(({ what }) => what.includes('metrics')))
    ]
  }
}

async function measureCatalog (of: string, { database, snapshotDir, middle }: FilledCatalog): Promise<Line[]> {
  const host = await startHost(database, snapshotDir)
  const lines: Line[] = []
  for (const [what, route] of [
    ['the first page', '/snapshots'],
    ['a page in the middle', `/snapshots?cursor=${middle}`],
    ['the first page of those completed', '/snapshots?status=COMPLETED'],
    ['the first page of those failed', '/snapshots?status=FAILED'],
    ['a page of those failed in the middle', `/snapshots?status=FAILED&cursor=${middle}`],
    ['the newest sound one', '/snapshots/latest'],
    ['the metrics', '/metrics'],
    ['the health', '/health']
  ] as const) {
    const milliseconds: number[] = []
    for (let request = 0; request < REQUESTS; request++) milliseconds.push(await timed(async () => await host.get(route)) * 1000)
    lines.push({ of, what, median: median(milliseconds), worst: Math.max(...milliseconds) })
  }
  await host.stop()
  return lines
}
