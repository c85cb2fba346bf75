import { rmSync } from 'node:fs'
import type { Bench } from '../bench.ts'
import { requireSound } from '../data.ts'
import { measure, secondsOf, type Contender } from '../measure.ts'
import type { Place } from '../place.ts'
import { atMostTimes, figureTable, inMilliseconds, type Part } from '../report.ts'
import { median } from '../statistics.ts'
import { litestreamAt } from '../tools/litestream.ts'
import { oursAt } from '../tools/ours.ts'
import { resticAt } from '../tools/restic.ts'
import { underWriter } from '../writer.ts'

const TO_FILE = '**restore to a file, every byte verified, synced**'
const LIVE = '**live restore, all steps, under the writer**'
const LITESTREAM = '`litestream restore` to a file'

/** Restores to a file and into the live database. */
export async function restores (bench: Bench): Promise<Part> {
  const place = bench.large()
  const { database, rows, remove } = place
  const ours = await oursAt(place, 'restores', { isChecking: true })
  const lockedMs: number[] = []
  let safetyCopy = ''
  const [figures, waitedMs] = await underWriter(database, async writer => {
    await ours.writer.createSnapshot('bench', { full: true })
    const contenders: Contender[] = [
      restoreToFile(place, TO_FILE, async path => { await ours.restoreToFile('bench', path) }),
      {
        what: LIVE,
        run: async () => {
          const result = await ours.writer.restoreFromSnapshot('bench')
          lockedMs.push(result.lockedMs)
          safetyCopy = result.preRestoreBackup as string
        },
        check: () => {
          requireSound(database, rows)
          requireSound(safetyCopy, rows)
        },
        clean: () => { rmSync(safetyCopy) }
      },
      ...await ofOthers(place, bench)
    ]
    const measured = await measure(contenders, bench.rounds, { writer })
    return [measured, measured.find(({ what }) => what === LIVE)?.waitedMs ?? 0] as const
  })
  await ours.end()
  remove('copy.zst')
  resticAt(place).clean()
  if (bench.litestream !== null) (await litestreamAt(bench.litestream, place)).clean()

  const theirs = secondsOf(figures, LITESTREAM)
  return {
    title: 'Restore',
    text: `The live restore stages and checks the image, makes a safety copy, applies it in one transaction and makes it durable, while another process commits every 20 ms. Of that it held the write lock for ${inMilliseconds(median(lockedMs))} (median); the process itself waited for ${inMilliseconds(waitedMs)} at most.`,
    table: figureTable(figures, TO_FILE),
    bars: [
      atMostTimes('restore to a file, fully verified', 0.7, 'Litestream\'s restore', secondsOf(figures, TO_FILE), theirs),
      atMostTimes('live restore, all steps', 4, 'Litestream\'s restore to a new file', secondsOf(figures, LIVE), theirs),
      { what: 'longest wait of a writer in the live restore', bar: 'report', reached: inMilliseconds(waitedMs), isMet: null }
    ]
  }
}

function restoreToFile ({ rows, file, remove }: Place, what: string, restore: (path: string) => Promise<void>): Contender {
  return {
    what,
    run: async () => { await restore(file('copy.db')) },
    check: () => { requireSound(file('copy.db'), rows) },
    clean: () => { remove('copy.db', 'copy.db-wal', 'copy.db-shm') }
  }
}

async function ofOthers (place: Place, { has, litestream: program }: Bench): Promise<Contender[]> {
  const { rows, shell, remove } = place
  const contenders: Contender[] = []
  if (program !== null) {
    const litestream = await litestreamAt(program, place)
    await litestream.begin()
    await litestream.stop()
    contenders.push(restoreToFile(place, LITESTREAM, async () => { await litestream.restore('copy.db') }))
  }
  if (has('restic')) {
    const restic = resticAt(place)
    await restic.init()
    await restic.backup()
    let restored = ''
    contenders.push({
      what: '`restic restore`',
      run: async () => { restored = await restic.restore('restored') },
      check: () => { requireSound(restored, rows) },
      clean: () => { remove('restored') },
      mayTear: true
    })
  }
  if (has('zstd')) {
    await shell('zstd -q -1 -T2 app.db -o copy.zst')
    contenders.push({ ...restoreToFile(place, '`zstd -d` of the bare file, synced', async () => { await shell('zstd -q -d copy.zst -o copy.db; sync copy.db') }), mayTear: true })
  }
  return contenders
}
