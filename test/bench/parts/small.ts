import type { Bench } from '../bench.ts'
import { rmSync } from 'node:fs'
import { requireSound } from '../data.ts'
import { measure, secondsOf } from '../measure.ts'
import { atMost, figureTable, type Part } from '../report.ts'
import { oursAt } from '../tools/ours.ts'

const CREATE = '**snapshot, with its integrity check**'
const RESTORE = '**live restore, all steps**'

/** The runbook's size, 100 MB, with the default options. */
export async function small (bench: Bench): Promise<Part> {
  const { database, rows, file, shell, remove, ...place } = bench.small()
  const { writer, check, end } = await oursAt(bench.small(), 'small', { isChecking: true })
  let safetyCopy = ''
  const figures = await measure([
    { what: CREATE, run: async () => await writer.createSnapshot('bench', { full: true }), check: async () => { await check('bench') } },
    {
      what: RESTORE,
      run: async () => { safetyCopy = (await writer.restoreFromSnapshot('bench')).preRestoreBackup as string },
      check: () => {
        requireSound(database, rows)
        requireSound(safetyCopy, rows)
      },
      clean: async () => {
        rmSync(safetyCopy)
        await writer.deleteSnapshot('bench')
      }
    },
    { what: '`cp`, synced', run: async () => { await shell('cp app.db copy.db; sync copy.db') }, check: () => { requireSound(file('copy.db'), rows) }, clean: () => { remove('copy.db') } }
  ], bench.rounds)
  await end()
  return {
    title: '100 MB',
    text: `A database of ${(place.bytes / 1e6).toFixed(0)} MB, with the default options.`,
    table: figureTable(figures, CREATE),
    bars: [
      atMost('100 MB: create', 0.5, 's', secondsOf(figures, CREATE) as number),
      atMost('100 MB: live restore', 1.5, 's', secondsOf(figures, RESTORE) as number)
    ]
  }
}
