import Database from 'better-sqlite3'
import { createReadStream, createWriteStream, statSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DeleteObjectCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import type { S3StorageOptions } from '../../../src/index.ts'
import { S3Storage } from '../../helpers/built.ts'
import { noRealS3, realS3 } from '../../helpers/real-s3.ts'
import type { Bench } from '../bench.ts'
import { requireSound } from '../data.ts'
import { startHost } from '../host-client.ts'
import { measure, secondsOf, type Contender, type Figure } from '../measure.ts'
import { listing, type Place } from '../place.ts'
import { memoryOf, peakMemoryOf } from '../processes.ts'
import { atMost, figureTable, inMilliseconds, type Part } from '../report.ts'
import { oursAt } from '../tools/ours.ts'

const MEBIBYTE = 2 ** 20
const PUT_ROUNDS = 5
const LEAST_THROUGHPUT = 0.9
const MOST_GROWTH_MB = 150
const OURS = '**snapshot to S3, with its integrity check**'
const RESTORE = '**restore from S3 to a file, every byte verified, synced**'
const PUT = '**`put` of the same stored bytes**'
const UPLOAD = 'bare `Upload` of lib-storage'
/** What both sides send with. */
const parts = { partSize: 8 * MEBIBYTE, queueSize: 4 }

type Server = S3StorageOptions & { endpoint: string }

/** A bucket as the only storage, beside what a script with the SDK would do. Null without a server. */
export async function s3 (bench: Bench): Promise<Part | null> {
  if (noRealS3 !== false) return null
  const [place, server] = [bench.large(), await realS3()]
  const puts = await putRounds(place, server, Math.max(PUT_ROUNDS, bench.rounds))
  const whole = await wholeRounds(place, server, bench)
  const seen = await hostDuring(place, server)
  const throughput = Number(secondsOf(puts, UPLOAD)) / Number(secondsOf(puts, PUT))
  return {
    title: 'S3',
    text: [
      'Ceph radosgw on the same machine, which takes its share of the cores. The shell is `sqlite3 .backup`, `zstd -1 -T2` and a bare `Upload`, without any checks; its way back is a bare `GetObject` to a file, `zstd -d` and a sync.',
      `A \`put\` takes ${Math.max(PUT_ROUNDS, bench.rounds)} rounds. The host is a Fastify application of its own process: a full snapshot to S3, then a live restore from it, of which the live database has nothing.`,
      `Its memory grew by ${seen.growthMb.toFixed(0)} MB at most. Delay of its event loop: ${inMilliseconds(seen.creation.longestMs)} at the longest and ${inMilliseconds(seen.creation.p99Ms)} p99 during the snapshot, ${inMilliseconds(seen.restore.longestMs)} and ${inMilliseconds(seen.restore.p99Ms)} during the restore.`
    ].join(' '),
    table: [...figureTable(whole, OURS), ...figureTable(puts, PUT).slice(1)].map(([what, median, ratio]) => [what, median, ratio] as string[]),
    bars: [
      { what: 'S3: throughput of a put', bar: `≥ ${LEAST_THROUGHPUT} × a bare \`Upload\``, reached: `${throughput.toFixed(2)} ×`, isMet: throughput >= LEAST_THROUGHPUT },
      atMost('S3: growth of the host\'s memory', MOST_GROWTH_MB, 'MB', seen.growthMb),
      atMost('S3: event loop delay of the host', 20, 'ms', Math.max(seen.creation.longestMs, seen.restore.longestMs))
    ]
  }
}

/** The SDK without anything around it. */
function bareSdk ({ endpoint, bucket: Bucket }: Server): { upload: (Key: string, file: string) => Promise<void>, download: (Key: string, file: string) => Promise<void>, remove: (Key: string) => Promise<void> } {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true })
  return {
    upload: async (Key, file) => { await new Upload({ client, params: { Bucket, Key, Body: createReadStream(file) }, ...parts }).done() },
    download: async (Key, file) => { await pipeline((await client.send(new GetObjectCommand({ Bucket, Key }))).Body as Readable, createWriteStream(file)) },
    remove: async Key => { await client.send(new DeleteObjectCommand({ Bucket, Key })) }
  }
}

/** The pack of a snapshot, once more by the storage and by the SDK alone. */
async function putRounds (place: Place, server: Server, rounds: number): Promise<Figure[]> {
  const { writer, snapshotDir, end } = await oursAt(place, 's3-pack', { isChecking: false })
  await writer.createSnapshot('pack', { full: true })
  const pack = join(snapshotDir, listing(snapshotDir).find(name => name.endsWith('data.zst')) as string)
  const [storage, sdk] = [new S3Storage({ ...server, ...parts }), bareSdk(server)]
  let key = ''
  const contender = (what: string, send: () => Promise<unknown>): Contender => ({
    what,
    prepare: () => { key = `app/packs/${randomUUID()}` },
    run: send,
    check: async () => {
      if ((await storage.head(key))?.bytes !== statSync(pack).size) throw new Error(`${key} is not what was sent`)
    },
    clean: async () => { await storage.delete(key) }
  })
  const figures = await measure([
    contender(PUT, async () => await storage.putFile(key, pack)),
    contender(UPLOAD, async () => { await sdk.upload(`${server.prefix}/${key}`, pack) })
  ], rounds)
  await end()
  return figures
}

/** From the live database to the bucket, and back to a file. */
async function wholeRounds (place: Place, server: Server, { rounds, has }: Bench): Promise<Figure[]> {
  const { rows, file, shell, remove } = place
  const ours = await oursAt(place, 's3', { isChecking: true, storage: new S3Storage(server) })
  const restored = { check: () => { requireSound(file('copy.db'), rows) } }
  const contenders: Contender[] = [
    { what: OURS, run: async () => await ours.writer.createSnapshot('bench', { full: true }), check: () => {} },
    { what: RESTORE, run: async () => { await ours.restoreToFile('bench', file('copy.db')) }, ...restored, clean: async () => { remove('copy.db'); await ours.writer.deleteSnapshot('bench') } }
  ]
  if (has('sqlite3') && has('zstd')) {
    const [sdk, key] = [bareSdk(server), `${server.prefix}/copy.zst`]
    contenders.push({
      what: 'the shell and a bare `Upload`',
      run: async () => {
        await shell('sqlite3 app.db ".backup copy.db"; zstd -q -1 -T2 copy.db -o copy.zst')
        await sdk.upload(key, file('copy.zst'))
      },
      check: () => {},
      clean: () => { remove('copy.db', 'copy.zst') }
    }, {
      what: 'a bare `GetObject` and the shell',
      run: async () => {
        await sdk.download(key, file('copy.zst'))
        await shell('zstd -q -d copy.zst -o copy.db; sync copy.db')
      },
      ...restored,
      clean: async () => { remove('copy.db', 'copy.zst'); await sdk.remove(key) }
    })
  }
  const figures = await measure(contenders, rounds)
  await ours.end()
  return figures
}

interface Delay { longestMs: number, p99Ms: number }
interface HostSeen { growthMb: number, creation: Delay, restore: Delay }

/** What an application notices while its snapshot goes to the bucket and comes back. */
async function hostDuring ({ database, rows, file, remove }: Place, server: Server): Promise<HostSeen> {
  const application = await startHost(database, file('s3-host-snapshots'), server)
  const before = memoryOf(application.pid)
  const during = async (work: () => Promise<unknown>): Promise<Delay> => {
    await application.delay()
    await work()
    return await application.delay()
  }
  const creation = await during(async () => await application.post('/snapshots', { name: 'bench', full: true }))
  new Database(database).exec('UPDATE events SET token = randomblob(60); PRAGMA wal_checkpoint(TRUNCATE)').close()
  const restore = await during(async () => await application.post('/snapshots/bench/restore'))
  const growthMb = (peakMemoryOf(application.pid) - before) / 1e6
  await application.stop()
  requireSound(database, rows)
  const storage = new S3Storage(server)
  for await (const { key } of storage.list('app/')) await storage.delete(key)
  remove('s3-host-snapshots', 'recovery')
  return { growthMb, creation, restore }
}
