import Database from 'better-sqlite3'
import type { Bench } from '../bench.ts'
import { requireSound } from '../data.ts'
import { measure, secondsOf, type Contender } from '../measure.ts'
import type { Place } from '../place.ts'
import { atMostTimes, figureTable, type Part } from '../report.ts'
import { litestreamAt } from '../tools/litestream.ts'
import { oursAt } from '../tools/ours.ts'
import { resticAt } from '../tools/restic.ts'
import { underWriter } from '../writer.ts'
import { unpinned } from './unpinned.ts'

const OURS = '**snapshot**'
const BARE_ZSTD = '`zstd -1 -T2` of the bare file, synced'
const SHELL = '`sqlite3 .backup` (pinned), `sha256sum`, `zstd -1 -T2`, synced'
const LITESTREAM = 'Litestream, until its first snapshot is stored'

/** Full snapshots under a writer. */
export async function creations (bench: Bench): Promise<Part> {
  const place = bench.large()
  const ours = await Promise.all([oursAt(place, 'unchecked', { isChecking: false }), oursAt(place, 'checked', { isChecking: true })])
  const contenders: Contender[] = ours.map(({ writer, check }, index) => ({
    what: [OURS, '**snapshot, with its integrity check**'][index] as string,
    run: async () => await writer.createSnapshot('bench', { full: true }),
    check: async () => { await check('bench') },
    clean: async () => { await writer.deleteSnapshot('bench') }
  }))
  contenders.push(...ofSqlite(place, bench), ...await ofBackupTools(place, bench), ...ofBareFile(place, bench))
  const [figures, unfinished] = await underWriter(place.database, async writer => [await measure(contenders, bench.rounds, { writer }), await unpinned(place, bench)])
  for (const { end } of ours) await end()

  const own = secondsOf(figures, OURS)
  const table = figureTable(figures, OURS)
  return {
    title: 'Full snapshot',
    text: 'Another process commits a small transaction every 20 ms all the time. "Pinned" is with a read transaction of the same connection, without which SQLite\'s backup begins anew at each commit. What reads the bare file is not consistent under a writer; it stands here as the floor.',
    table: [...table, ...unfinished],
    bars: [
      atMostTimes('full snapshot under a writer', 0.4, 'the shell pipeline', own, secondsOf(figures, SHELL)),
      atMostTimes('full snapshot under a writer', 0.5, 'Litestream', own, secondsOf(figures, LITESTREAM)),
      atMostTimes('full snapshot under a writer', 2, '`zstd -1 -T2` of the bare file', own, secondsOf(figures, BARE_ZSTD))
    ]
  }
}

function ofSqlite ({ database, rows, file, shell, remove }: Place, { has }: Bench): Contender[] {
  const copy = { check: () => { requireSound(file('copy.db'), rows) }, clean: () => { remove('copy.db') } }
  const backup: Contender = {
    what: 'better-sqlite3 `backup()` in the host (pinned), synced',
    run: async () => {
      const source = new Database(database)
      source.exec('BEGIN; SELECT 1 FROM sqlite_schema')
      await source.backup(file('copy.db'))
      source.close()
      await shell('sync copy.db')
    },
    ...copy
  }
  if (!has('sqlite3')) return [backup]
  const vacuum: Contender = { what: '`VACUUM INTO`, synced', run: async () => { await shell('sqlite3 app.db "VACUUM INTO \'copy.db\'"; sync copy.db') }, ...copy }
  const pipeline: Contender = {
    what: SHELL,
    run: async () => { await shell('sqlite3 app.db BEGIN "SELECT 1 FROM sqlite_schema" ".backup copy.db"; sha256sum copy.db > copy.sha256; zstd -q -1 -T2 copy.db -o copy.zst; sync copy.zst copy.sha256') },
    check: async () => {
      await shell('rm copy.db; zstd -q -d copy.zst -o copy.db; sha256sum --quiet -c copy.sha256')
      copy.check()
    },
    clean: () => { remove('copy.db', 'copy.zst', 'copy.sha256') }
  }
  return has('zstd') ? [pipeline, vacuum, backup] : [vacuum, backup]
}

async function ofBackupTools (place: Place, { litestream: program, has }: Bench): Promise<Contender[]> {
  const { rows, file, remove } = place
  const contenders: Contender[] = []
  if (program !== null) {
    const litestream = await litestreamAt(program, place)
    contenders.push({
      what: LITESTREAM,
      run: litestream.begin,
      check: async () => {
        await litestream.stop()
        await litestream.restore('copy.db')
        requireSound(file('copy.db'), rows)
      },
      clean: () => {
        litestream.clean()
        remove('copy.db')
      }
    })
  }
  if (has('restic')) {
    const restic = resticAt(place)
    const check = async (): Promise<void> => { requireSound(await restic.restore('restored'), rows) }
    contenders.push(
      { what: '`restic backup` of the bare file, first run', prepare: restic.init, run: restic.backup, check, clean: () => { remove('restored') }, mayTear: true },
      { what: '`restic backup` of the bare file, second run', run: restic.backup, check, clean: () => { remove('restored'); restic.clean() }, mayTear: true }
    )
  }
  return contenders
}

function ofBareFile ({ rows, file, shell, remove }: Place, { has }: Bench): Contender[] {
  const bare = { check: () => { requireSound(file('copy.db'), rows) }, clean: () => { remove('copy.db', 'copy.db-wal', 'copy.db-shm', 'copy.zst') }, mayTear: true }
  const copy: Contender = { what: '`cp` of the bare file, synced', run: async () => { await shell('cp app.db copy.db; sync copy.db') }, ...bare }
  const compression: Contender = {
    what: BARE_ZSTD,
    run: async () => { await shell('zstd -q -1 -T2 app.db -o copy.zst || zstd -q -f -1 -T2 app.db -o copy.zst; sync copy.zst') },
    ...bare,
    check: async () => {
      await shell('zstd -q -d copy.zst -o copy.db')
      bare.check()
    }
  }
  return has('zstd') ? [compression, copy] : [copy]
}
