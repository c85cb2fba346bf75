import Database from 'better-sqlite3'
import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { SnapshotWriter } from '../helpers/built.ts'
import { query } from '../helpers/bank.ts'

/*
 * Full snapshots and restores to a file beside what people would use instead, on the same database, in turns, each result
 * checked. What is not installed is left out and said so. Writes docs/benchmarks.md.
 *
 *   npm run bench:contenders              1,100 MiB, past SQLite's lock-byte page
 *   BENCH_MB=100 npm run bench:contenders
 */
const megabytes = Number(process.env.BENCH_MB ?? 1100)
const RUNS = Number(process.env.BENCH_RUNS ?? 3)
const folder = mkdtempSync(join(tmpdir(), 'contenders-'))
const path = join(folder, 'app.db')
const run = promisify(execFile)
const shell = async (script: string): Promise<void> => { await run('bash', ['-ec', script], { cwd: folder }) }
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number
const has = (command: string): boolean => {
  try {
    execFileSync('which', [command], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Text and noise, so it compresses to somewhat less than a half, as databases of applications do. */
function makeData (): void {
  const database = new Database(path)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = OFF')
  database.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, text TEXT, token BLOB)')
  const insert = database.prepare('INSERT INTO events (text, token) VALUES (?, ?)')
  for (let id = 0; statSync(path).size < megabytes * 2 ** 20;) {
    database.transaction(() => {
      for (let row = 0; row < 100_000; row++, id++) insert.run(`user ${id} has written something about ${id * 7919 % 1000} things and more of that kind of text`, randomBytes(60))
    })()
    database.pragma('wal_checkpoint(TRUNCATE)')
  }
  database.close()
}

makeData()
const rows = query(path, 'SELECT count(*) FROM events')
const sizeOf = (name: string): number => statSync(join(folder, name)).size
const checkDatabase = (file: string): void => {
  if (query(file, 'SELECT count(*) FROM events') !== rows) throw new Error(`${file} is not the database`)
}
const remove = (...names: string[]): void => { for (const name of names) rmSync(join(folder, name), { recursive: true, force: true }) }

const checked = new SnapshotWriter({ database: path, databaseName: 'checked', snapshotDir: join(folder, 'checked') })
const unchecked = new SnapshotWriter({ database: path, databaseName: 'unchecked', snapshotDir: join(folder, 'unchecked'), recoveryDir: join(folder, 'recovery2'), integrityCheckMaxAge: 0x7fffffff })
await unchecked.recovery.validateDatabaseIntegrity()
const snapshotOf = async (writer: InstanceType<typeof SnapshotWriter>): Promise<void> => { await writer.createSnapshot('bench') }

interface Contender { what: string, run: () => Promise<void>, /** Proves the result, then removes it. */ check: () => Promise<void> | void }
const deleted = (writer: InstanceType<typeof SnapshotWriter>) => async (): Promise<void> => {
  const { isHealthy } = await writer.verifySnapshot('bench')
  if (!isHealthy) throw new Error('the snapshot is damaged')
  await writer.deleteSnapshot('bench')
}
const unpacked = (name: string) => async (): Promise<void> => {
  await shell(`zstd -q -d -f ${name} -o unpacked.db`)
  checkDatabase(join(folder, 'unpacked.db'))
  remove(name, 'unpacked.db', 'unpacked.db-wal', 'unpacked.db-shm', 'copy.db')
}

const creations: Contender[] = [
  { what: '`cp` of the bare file, synced', run: async () => { await shell('cp app.db copy.db; sync copy.db') }, check: () => { checkDatabase(join(folder, 'copy.db')); remove('copy.db', 'copy.db-wal', 'copy.db-shm') } },
  { what: '**snapshot**', run: async () => { await snapshotOf(unchecked) }, check: deleted(unchecked) },
  { what: '**snapshot, with its integrity check**', run: async () => { await snapshotOf(checked) }, check: deleted(checked) },
  ...has('zstd') ? [{ what: '`zstd -1 -T2` of the bare file, synced', run: async () => { await shell('zstd -q -1 -T2 app.db -o bare.zst; sync bare.zst') }, check: unpacked('bare.zst') }] : [],
  ...has('zstd') && has('sqlite3')
    ? [{ what: '`sqlite3 .backup`, `sha256sum`, `zstd -1 -T2`, synced', run: async () => { await shell('sqlite3 app.db ".backup copy.db"; sha256sum copy.db > copy.sha256; zstd -q -1 -T2 copy.db -o piped.zst; sync piped.zst') }, check: unpacked('piped.zst') },
        { what: '`VACUUM INTO`', run: async () => { await shell('sqlite3 app.db "VACUUM INTO \'vacuumed.db\'"') }, check: () => { checkDatabase(join(folder, 'vacuumed.db')); remove('vacuumed.db') } }]
    : [],
  {
    what: 'better-sqlite3 `backup()` in the host',
    run: async () => {
      const database = new Database(path)
      await database.backup(join(folder, 'backup.db'))
      database.close()
      await shell('sync backup.db')
    },
    check: () => { checkDatabase(join(folder, 'backup.db')); remove('backup.db', 'backup.db-wal', 'backup.db-shm') }
  },
  ...has('restic')
    ? [{ what: '`restic backup` of the bare file', run: async () => { await shell('export RESTIC_PASSWORD=bench; restic -q init -r restic; restic -q backup -r restic app.db') }, check: () => { if (readdirSync(join(folder, 'restic', 'data')).length === 0) throw new Error('restic has stored nothing'); remove('restic') } }]
    : []
]

async function measure (contenders: Contender[]): Promise<Map<string, number>> {
  const times = new Map<string, number[]>(contenders.map(({ what }) => [what, []]))
  for (let round = 0; round < RUNS; round++) {
    for (const { what, run, check } of contenders) {
      const started = performance.now()
      await run()
      times.get(what)?.push((performance.now() - started) / 1000)
      await check()
    }
  }
  return new Map([...times].map(([what, seen]) => [what, median(seen)]))
}

const created = await measure(creations)

await unchecked.createSnapshot('bench')
const stored = (await unchecked.getSnapshot('bench')).storedSize as number
await shell('if command -v zstd > /dev/null; then zstd -q -1 -T2 app.db -o bare.zst; fi')
const restored = await measure([
  {
    what: '**restore to a file, every byte verified**',
    run: async () => {
      const { stream } = await unchecked.downloadSnapshot('bench')
      await pipeline(stream, createWriteStream(join(folder, 'restored.db')))
    },
    check: () => { checkDatabase(join(folder, 'restored.db')); remove('restored.db', 'restored.db-wal', 'restored.db-shm') }
  },
  { what: '**live restore, all steps**', run: async () => { await unchecked.restoreFromSnapshot('bench') }, check: () => { checkDatabase(path); remove('recovery2'); mkdirSync(join(folder, 'recovery2')) } },
  ...has('zstd') ? [{ what: '`zstd -d`, synced', run: async () => { await shell('zstd -q -d bare.zst -o plain.db; sync plain.db') }, check: () => { checkDatabase(join(folder, 'plain.db')); remove('plain.db', 'plain.db-wal', 'plain.db-shm') } }] : []
])

const table = (figures: Map<string, number>, of: string): string => {
  const ours = figures.get(of) as number
  return ['| what | median | against ours |', '|---|---|---|', ...[...figures].map(([what, seconds]) => `| ${what} | ${seconds.toFixed(2)} s | ${(seconds / ours).toFixed(2)} |`)].join('\n')
}
const missing = ['zstd', 'sqlite3', 'restic'].filter(command => !has(command))
const text = `# Benchmarks

\`npm run bench:contenders\`: a database of ${(sizeOf('app.db') / 2 ** 20).toFixed(0)} MiB, stored in ${(stored / 2 ** 20).toFixed(0)} MiB; medians of ${RUNS} rounds in one run, contenders in turns, each
result checked to be the database. Machines differ, so only ratios are worth comparing.${missing.length === 0 ? '' : ` Not installed, so left out: ${missing.join(', ')}.`}

## Full snapshot

${table(created, '**snapshot**')}

## Restore

${table(restored, '**restore to a file, every byte verified**')}
`
for (const writer of [checked, unchecked]) await writer.close()
rmSync(folder, { recursive: true })
writeFileSync(fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url)), text)
console.log(text)
