import { cpus, tmpdir } from 'node:os'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.ts'
import { catalog } from './parts/catalog.ts'
import { creations } from './parts/creations.ts'
import { host } from './parts/host.ts'
import { incremental } from './parts/incremental.ts'
import { many } from './parts/many.ts'
import { recovery } from './parts/recovery.ts'
import { resources } from './parts/resources.ts'
import { restores } from './parts/restores.ts'
import { s3 } from './parts/s3.ts'
import { small } from './parts/small.ts'
import { isInstalled, makePlace, type Place } from './place.ts'
import { document, type Part } from './report.ts'
import { fetchLitestream } from './tools/litestream.ts'

/*
 * The built package beside what people would use instead: on the same databases, in turns, each result checked.
 *
 *   npm run bench                       everything, and writes docs/benchmarks.md
 *   npm run bench -- creations host     some parts, and only prints them
 *
 * The part s3 needs a server: eval "$(test/s3-server.sh start)".
 * BENCH_MB: size of the large database in MiB, default 1100, past SQLite's lock-byte page. BENCH_RUNS: rounds, default 3.
 */
const all: Record<string, (bench: Bench) => Promise<Part | null>> = { creations, incremental, restores, recovery, resources, small, host, catalog, many, s3 }
const asked = process.argv.slice(2)
const unknown = asked.filter(name => !(name in all))
if (unknown.length > 0) throw new Error(`no part of the benchmark: ${unknown.join(', ')}; there are ${Object.keys(all).join(', ')}`)

const megabytes = Number(process.env.BENCH_MB ?? 1100)
const rounds = Number(process.env.BENCH_RUNS ?? 3)
const folder = mkdtempSync(join(tmpdir(), 'bench-'))
process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })
process.once('SIGINT', () => { process.exit(130) })

const places = new Map<string, Place>()
const placeOf = (name: string, bytes: number) => (): Place => {
  const place = places.get(name) ?? makePlace(join(folder, name), bytes)
  places.set(name, place)
  return place
}
const bench: Bench = {
  rounds,
  folder,
  large: placeOf('large', megabytes * 2 ** 20),
  small: placeOf('small', 100_000_000),
  litestream: await fetchLitestream(join(folder, 'litestream')),
  has: isInstalled
}

const parts: Part[] = []
const leftOut: string[] = []
for (const [name, measurePart] of Object.entries(all)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.log(`\n${name}`)
  const part = await measurePart(bench)
  part === null ? leftOut.push(name) : parts.push(part)
}

const missing = [...['zstd', 'sqlite3', 'restic'].filter(command => !isInstalled(command)), ...bench.litestream === null ? ['litestream'] : [], ...leftOut.map(name => `what the part ${name} needs`)]
const page = document(parts, [
  `\`npm run bench\`: databases of ${megabytes} MiB and 100 MB, medians of ${rounds} rounds in one run, contenders in turns, each result checked to be the`,
  `whole, undamaged database. ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Node ${process.version}. Machines differ, so ratios are what to compare: above 1 is`,
  `slower than ours.${missing.length === 0 ? '' : ` **Not installed, so left out: ${missing.join(', ')}.**`}`
].join('\n'))
console.log(`\n${page}`)
if (asked.length === 0) writeFileSync(fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url)), page)
