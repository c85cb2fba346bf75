import type { Bench } from '../bench.ts'
import { rmSync } from 'node:fs'
import { requireSound } from '../data.ts'
import { measure, secondsOf, type Contender } from '../measure.ts'
import { atMost, figureTable, inMilliseconds, type Part } from '../report.ts'
import { oursAt } from '../tools/ours.ts'
import { startWriter, underWriter } from '../writer.ts'

const ROLLBACK = '**rollback**'
const RESET = '**emergency reset**'
/** The runbook's. */
const LONGEST_ROLLBACK_S = 30

/** The ways back at the runbook's size, while an application writes and another reads. */
export async function recovery (bench: Bench): Promise<Part> {
  const place = bench.small()
  const { database, rows, shell, file, remove } = place
  const { writer, end } = await oursAt(place, 'recovery', { isChecking: true })
  await writer.createSnapshot('bench')
  const readerWaits = new Map<string, number>()
  const reader = await startWriter(database, 'read')
  const figures = await underWriter(database, async application => {
    const watched = (what: string, run: () => Promise<unknown>): Contender => ({
      what,
      prepare: async () => {
        await writer.restoreFromSnapshot('bench')
        await reader.report()
      },
      run,
      check: async () => {
        readerWaits.set(what, Math.max(readerWaits.get(what) ?? 0, (await reader.report()).longestMs))
        requireSound(database, rows)
      },
      clean: () => {
        for (const { path } of writer.recovery.listPreRestoreBackups()) rmSync(path)
      }
    })
    return await measure([
      watched(ROLLBACK, async () => await writer.recovery.rollback()),
      watched(RESET, async () => await writer.recovery.emergencyDatabaseReset()),
      { what: '`cp`, synced', run: async () => { await shell('cp app.db copy.db; sync copy.db') }, check: () => { requireSound(file('copy.db'), rows) }, clean: () => { remove('copy.db') } }
    ], bench.rounds, { writer: application })
  })
  await reader.stop()
  await end()
  const words = [...readerWaits].map(([what, waitedMs]) => `${inMilliseconds(waitedMs)} during the ${what}`).join(', ')
  return {
    title: 'The ways back',
    text: `A database of ${(place.bytes / 1e6).toFixed(0)} MB that one process writes to and another reads, with everything a rollback and a reset do: a safety copy, the integrity checks, the content in one transaction. The longest that the reader had to wait: ${words}.`,
    table: figureTable(figures, ROLLBACK),
    bars: [atMost('100 MB: rollback', LONGEST_ROLLBACK_S, 's', secondsOf(figures, ROLLBACK) as number)]
  }
}
