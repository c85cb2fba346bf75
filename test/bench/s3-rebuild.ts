import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import type { S3Storage as Storage, SnapshotWriter as Writer } from '../../src/index.ts'
import { manifestKey, marksKey, packKey } from '../../src/format/keys.ts'
import { encodeManifest } from '../../src/format/manifest.ts'
import { encodeMarks } from '../../src/format/marks.ts'
import { inOrder } from '../../src/storage/in-order.ts'
import { sampleManifest } from '../helpers/format.ts'
import { realS3 } from '../helpers/real-s3.ts'
import { timed } from './measure.ts'
import { highest } from './processes.ts'
import { atMost, inMebibytes, inMilliseconds, inSeconds } from './report.ts'

/*
 * The catalog of a blank machine from a bucket of many snapshots, beside a bare listing and a bare client that gets some of the
 * manifests one after the other.
 *
 *   eval "$(test/s3-server.sh start)" && npm run -s build && node test/bench/s3-rebuild.ts
 *
 * BENCH_SNAPSHOTS: how many, default 10000; every tenth has marks. BENCH_RUNS: rounds, default 3.
 */
const { S3Storage, SnapshotWriter } = await import(new URL('../../dist/index.js', import.meta.url).href) as { S3Storage: typeof Storage, SnapshotWriter: typeof Writer }
const [count, rounds, part] = [Number(process.env.BENCH_SNAPSHOTS ?? 10_000), Number(process.env.BENCH_RUNS ?? 3), 500]
/** Nobody should notice a host that does not answer for so long. */
const LONGEST_STALL_MS = 20

const place = await realS3()
const storage = new S3Storage(place)
const source = randomUUID()
const ids: string[] = []
console.log(`storing ${count} snapshots`)
const store = async (index: number): Promise<number> => {
  const manifest = sampleManifest({ id: randomUUID(), source: { id: source, host: 'lost' }, sequence: index, name: `snapshot-${index}`, createdAt: new Date(Date.now() - index * 60_000).toISOString() })
  const pack = Buffer.alloc(manifest.packs[0]!.bytes)
  ids.push(manifest.id)
  await storage.put(packKey('app', manifest.packs[0]!.id), pack)
  if (index % 10 === 0) await storage.put(marksKey('app', manifest.id), encodeMarks({ source, revision: 1, pinned: index % 20 === 0, labels: { number: String(index) }, deletedAt: null }))
  return (await storage.put(manifestKey('app', manifest.id), encodeManifest(manifest))).bytes
}
let stored = 0
for await (const bytes of inOrder(Array.from({ length: count }, (_, index) => async () => await store(index)), 32)) stored += bytes
console.log(`${inMebibytes(stored)} of manifests`)

/** The longest time between two turns of the event loop, on the clock and of the processor: the clock also counts what other programs took. */
async function withStalls<T> (work: () => Promise<T>): Promise<{ result: T, stallMs: number, busyMs: number }> {
  let [stallMs, busyMs] = [0, 0]
  const done = new AbortController()
  const watch = async (): Promise<void> => {
    while (!done.signal.aborted) {
      const [before, used] = [performance.now(), process.threadCpuUsage().user]
      await sleep(1)
      stallMs = Math.max(stallMs, performance.now() - before - 1)
      busyMs = Math.max(busyMs, (process.threadCpuUsage().user - used) / 1000)
    }
  }
  const watching = watch()
  const result = await work().finally(() => { done.abort() })
  await watching
  return { result, stallMs, busyMs }
}

const client = new S3Client({ endpoint: place.endpoint, region: 'us-east-1', forcePathStyle: true })
const bare = async (): Promise<number> => {
  const listing = await timed(async () => {
    for (let ContinuationToken: string | undefined, isMore = true; isMore;) {
      const page = await client.send(new ListObjectsV2Command({ Bucket: place.bucket, Prefix: `${place.prefix}/`, ContinuationToken }))
      ContinuationToken = page.NextContinuationToken
      isMore = page.IsTruncated === true
    }
  })
  const gets = await timed(async () => {
    for (const id of ids.slice(0, part)) await (await client.send(new GetObjectCommand({ Bucket: place.bucket, Key: `${place.prefix}/${manifestKey('app', id)}` }))).Body?.transformToString()
  })
  console.log(`${inSeconds(listing).padStart(10)}  bare listing; ${inSeconds(gets)} for ${part} manifests one after the other, ${inSeconds(gets * count / part)} for all`)
  return listing + gets * count / part
}

for (let round = 0; round < rounds; round++) {
  const bareSeconds = await bare()
  const folder = mkdtempSync(join(tmpdir(), 'bench-s3-'))
  const writer = new SnapshotWriter({ database: join(folder, 'app.db'), storage, snapshotDir: join(folder, 'backups') })
  try {
    for (const what of ['from nothing', 'once more']) {
      const memory = process.memoryUsage.rss()
      let figures: Awaited<ReturnType<typeof withStalls>> | undefined
      const seconds = await timed(async () => {
        const peak = await highest(20, () => process.memoryUsage.rss(), async () => { figures = await withStalls(async () => await writer.rebuildCatalog()) })
        console.log(`memory grew by ${inMebibytes(peak - memory)}`)
      })
      const { stallMs, busyMs } = figures as NonNullable<typeof figures>
      console.log(`${inSeconds(seconds).padStart(10)}  ${what}: ${(seconds / bareSeconds).toFixed(2)} of the bare client; longest stall ${inMilliseconds(stallMs)}, of which the processor ${inMilliseconds(busyMs)}`)
      console.log(`            the catalog has ${inMebibytes(statSync(join(folder, 'backups', 'catalog.db')).size)}, its log ${inMebibytes(statSync(join(folder, 'backups', 'catalog.db-wal')).size)}`)
      const bar = atMost('longest stall', LONGEST_STALL_MS, 'ms', busyMs)
      if (bar.isMet !== true) console.log(`            ${bar.what}: ${bar.reached}, ${bar.bar} is wanted`)
    }
    const { length } = (await writer.listSnapshots({ limit: 1000 })).snapshots
    if (length !== Math.min(count, 1000)) throw new Error(`${length} snapshots are listed`)
  } finally {
    await writer.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
