import Database from 'better-sqlite3'
import type { Bench } from '../bench.ts'
import type { Place } from '../place.ts'
import { timed } from '../measure.ts'
import { inSeconds } from '../report.ts'

const DEADLINE_SECONDS = 30

/** SQLite's backup as most people call it: under a writer it begins anew at each commit, so it is given a deadline. */
export async function unpinned ({ database, file, shell, remove }: Place, { has }: Bench): Promise<string[][]> {
  const tries: Array<[what: string, run: () => Promise<unknown>]> = [['better-sqlite3 `backup()` as it stands', async () => { await backUp(database, file('copy.db')) }]]
  if (has('sqlite3')) tries.push(['`sqlite3 .backup` as it stands', async () => { await shell(`timeout ${DEADLINE_SECONDS} sqlite3 app.db ".backup copy.db"`) }])
  const lines: string[][] = []
  for (const [what, run] of tries) {
    let isFinished = true
    const seconds = await timed(async () => { await run().catch(() => { isFinished = false }) })
    lines.push([what, isFinished ? inSeconds(seconds) : `not finished after ${DEADLINE_SECONDS} s`, '', ''])
    remove('copy.db', 'copy.db-journal')
  }
  return lines
}

async function backUp (from: string, to: string): Promise<void> {
  const source = new Database(from)
  const deadline = Date.now() + DEADLINE_SECONDS * 1000
  try {
    await source.backup(to, {
      progress: () => {
        if (Date.now() > deadline) throw new Error('not finished in time')
        return 100
      }
    })
  } finally {
    source.close()
  }
}
