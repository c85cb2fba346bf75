import { createReadStream, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { randomBytes, randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import type { S3Storage as Storage } from '../../src/index.ts'
import { realS3 } from '../helpers/real-s3.ts'
import { measure, secondsOf } from './measure.ts'
import { highest } from './processes.ts'

/*
 * S3Storage beside a bare Upload of lib-storage, with the same parts: a file to the same bucket, in turns, each result
 * measured by its size.
 *
 *   eval "$(test/s3-server.sh start)" && npm run -s build && node test/bench/s3-upload.ts
 *
 * BENCH_MB: size of the file in MiB, default 500. BENCH_RUNS: rounds, default 5.
 */
const { S3Storage } = await import(new URL('../../dist/index.js', import.meta.url).href) as { S3Storage: typeof Storage }
const megabytes = Number(process.env.BENCH_MB ?? 500)
const MEBIBYTE = 2 ** 20
const options = { partSize: 8 * MEBIBYTE, queueSize: 4 }

const folder = mkdtempSync(join(tmpdir(), 'bench-s3-'))
process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })
const file = join(folder, 'pack')
const descriptor = openSync(file, 'w')
for (let written = 0; written < megabytes; written++) writeSync(descriptor, randomBytes(MEBIBYTE))
closeSync(descriptor)

const place = await realS3()
const storage = new S3Storage({ ...place, ...options })
const client = new S3Client({ endpoint: place.endpoint, region: 'us-east-1', forcePathStyle: true })
const growths = new Map<string, number>()
let key = ''

/** Runs some work and notes by how much the process grew at most. */
const growing = (what: string, work: () => Promise<unknown>) => async (): Promise<void> => {
  const before = process.memoryUsage.rss()
  const peak = await highest(5, () => process.memoryUsage.rss(), work)
  growths.set(what, Math.max(growths.get(what) ?? 0, peak - before))
}
const check = async (): Promise<void> => {
  const bytes = (await storage.head(key))?.bytes
  if (bytes !== megabytes * MEBIBYTE) throw new Error(`${bytes} bytes are stored`)
}
const contender = (what: string, send: () => Promise<unknown>) => ({
  what,
  prepare: () => { key = `app/packs/${randomUUID()}` },
  run: growing(what, send),
  check,
  clean: async () => { await storage.delete(key) }
})

const [ours, bare] = ['S3Storage.putFile', 'Upload of lib-storage']
const figures = await measure([
  contender(ours, async () => await storage.putFile(key, file)),
  contender(bare, async () => await new Upload({ client, params: { Bucket: place.bucket, Key: `${place.prefix}/${key}`, Body: createReadStream(file) }, ...options }).done())
], Number(process.env.BENCH_RUNS ?? 5))

for (const { what, seconds } of figures) {
  console.log(`${what}: ${seconds.toFixed(2)} s, ${(megabytes / seconds).toFixed(0)} MiB/s, memory grew by ${((growths.get(what) ?? 0) / MEBIBYTE).toFixed(0)} MiB at most`)
}
console.log(`throughput against the bare Upload: ${(Number(secondsOf(figures, bare)) / Number(secondsOf(figures, ours))).toFixed(2)} (at least 0.90 is wanted)`)
