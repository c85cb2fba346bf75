import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { DIGEST_BYTES } from '../../format/checksum.ts'
import { SEGMENT_BYTES, segmentDigester } from './digest-segment.ts'
import type { DigestedSegment, DigestWork } from './digest-worker.ts'
import type { PageSource } from '../pages/page-source.ts'
import { NotDirectlyReadable } from '../pages/wal-index.ts'

const WORKER = new URL(`./digest-worker${extname(import.meta.url)}`, import.meta.url)
/** More cores than these would wait for memory. */
const MOST_THREADS = Math.min(availableParallelism(), 4)
/** Below this, starting threads takes longer than the digests. */
const SMALL_BYTES = 16 * 1024 * 1024
/** Bytes of digests that may wait for this thread, which may be inside SQLite for seconds. */
const AHEAD_BYTES = 32 * 1024 * 1024

/**
 * The digests of all pages of an image, in its order, segment by segment.
 * @throws NotDirectlyReadable where the files turn out not to make sense
 */
export async function * digestPages (pages: PageSource, threads = MOST_THREADS, ahead = AHEAD_BYTES / (SEGMENT_BYTES / pages.pageSize * DIGEST_BYTES)): AsyncGenerator<Buffer> {
  if (pages.pageSize * pages.pageCount > SMALL_BYTES) yield * inThreads(pages, threads, ahead)
  else yield * inThisThread(pages)
}

function * inThisThread ({ pageSize, pageCount, read }: PageSource): Generator<Buffer> {
  const size = pageSize * pageCount
  const digestSegment = segmentDigester({ read, pageSize, size })
  for (let segment = 0; segment * SEGMENT_BYTES < size; segment++) yield digestSegment(segment)
}

/** Reading and hashing on one core alone would take the most of the time of an incremental snapshot. */
async function * inThreads ({ pageSize, pageCount, files }: PageSource, threadCount: number, ahead: number): AsyncGenerator<Buffer> {
  const size = pageSize * pageCount
  const count = Math.ceil(size / SEGMENT_BYTES)
  const progress = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
  const segments = new Map(Array.from({ length: count }, (_, segment) => [segment, Promise.withResolvers<Uint8Array>()]))
  const fail = (error: Error): void => {
    for (const { promise, reject } of segments.values()) {
      promise.catch(() => {}) // only the first that is waited for reports it
      reject(error)
    }
  }
  let ended = 0
  const workData: DigestWork = { files, size, ahead, progress }
  const threads = Array.from({ length: threadCount }, () => new Worker(WORKER, { workerData: workData, execArgv: [] })
    .on('message', ({ segment, digests }: DigestedSegment) => { segments.get(segment)?.resolve(digests) })
    .on('error', error => { fail(new NotDirectlyReadable(error.message, { cause: error })) })
    .on('exit', () => { if (++ended === threads.length) fail(new NotDirectlyReadable('the threads that read it have ended')) }))
  try {
    for (let index = 0; index < count; index++) {
      const { buffer } = await (segments.get(index) as PromiseWithResolvers<Uint8Array>).promise
      segments.delete(index)
      Atomics.store(progress, 1, index + 1)
      Atomics.notify(progress, 1)
      yield Buffer.from(buffer as ArrayBuffer)
    }
  } finally {
    for (const thread of threads) await thread.terminate()
  }
}
