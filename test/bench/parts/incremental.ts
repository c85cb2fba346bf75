import { copyFileSync } from 'node:fs'
import { constants, zstdCompressSync } from 'node:zlib'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { changedPages, changePages, requireSound } from '../data.ts'
import { measure, secondsOf, type Contender } from '../measure.ts'
import type { Place } from '../place.ts'
import { atMost, atMostTimes, figureTable, inMebibytes, ratio, type Part } from '../report.ts'
import { median } from '../statistics.ts'
import { oursAt } from '../tools/ours.ts'
import { resticAt } from '../tools/restic.ts'

const SHARE = 0.01
const CHANGED = '**snapshot, 1% of the pages changed**'
const UNCHANGED = '**snapshot, nothing changed**'
const RESTIC = '`restic backup`, 1% of the pages changed'

/** Snapshots after few changes and after none, by what has seen the database before. */
export async function incremental (bench: Bench): Promise<Part> {
  const place = bench.large()
  const { database, file, remove, rows } = place
  const ours = await oursAt(place, 'incremental', { isChecking: false })
  const restic = bench.has('restic') ? resticAt(place) : null
  await ours.writer.createSnapshot(undefined, { full: true })
  await restic?.init()
  await restic?.backup()

  const changes: Array<{ pages: number, bytes: number }> = []
  const stored: number[] = []
  const contenders = [
    snapshotOf(ours, CHANGED, stored),
    ...restic === null ? [] : [resticOf(place, restic, RESTIC)],
    { ...snapshotOf(ours, UNCHANGED, []), prepare: async () => { await haveSettled(ours) } },
    ...restic === null ? [] : [resticOf(place, restic, '`restic backup`, nothing changed')]
  ]
  const beforeRound = (): void => {
    copyFileSync(database, file('before.db'))
    changePages(database, SHARE, rows)
    const pages = changedPages(file('before.db'), database)
    changes.push({ pages: pages.length, bytes: zstdCompressSync(Buffer.concat(pages), { params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length })
    remove('before.db')
  }
  const figures = await measure(contenders, bench.rounds, { beforeRound })
  await ours.end()
  restic?.clean()

  const [pages, changedBytes, storedBytes] = [median(changes.map(change => change.pages)), median(changes.map(change => change.bytes)), median(stored)]
  const own = secondsOf(figures, CHANGED)
  return {
    title: 'Incremental snapshot',
    text: `Rows at random places changed in ${pages} pages of ${Math.round(place.bytes / 4096)}, of which \`zstd -1\` makes ${inMebibytes(changedBytes)}; the snapshot stored ${inMebibytes(storedBytes)}, ${ratio(storedBytes, changedBytes)} times that. Litestream has no counterpart: it stores the log.`,
    table: figureTable(figures, CHANGED),
    bars: [
      atMostTimes('incremental, 1% of the pages changed', 0.7, 'restic\'s second run', own, secondsOf(figures, RESTIC)),
      atMostTimes('stored for that', 2, 'the changed bytes compressed', storedBytes, changedBytes),
      atMost('incremental, nothing changed', 0.2, 's', secondsOf(figures, UNCHANGED) as number)
    ]
  }
}

/**
 * Right after a write the file's times prove nothing, so the next snapshot compares all pages: the one measured is the first
 * that can rely on them.
 */
async function haveSettled ({ writer }: Awaited<ReturnType<typeof oursAt>>): Promise<void> {
  await sleep(2500)
  await writer.createSnapshot()
}

/** Each snapshot is kept: the next one has it as its parent. */
function snapshotOf ({ writer, storedBytes, check }: Awaited<ReturnType<typeof oursAt>>, what: string, stored: number[]): Contender {
  let before = 0
  return {
    what,
    prepare: () => { before = storedBytes() },
    run: async () => await writer.createSnapshot(),
    check: async () => {
      stored.push(storedBytes() - before)
      await check('latest')
    }
  }
}

function resticOf ({ rows, remove }: Place, restic: ReturnType<typeof resticAt>, what: string): Contender {
  return {
    what,
    run: restic.backup,
    check: async () => { requireSound(await restic.restore('restored'), rows) },
    clean: () => { remove('restored') }
  }
}
