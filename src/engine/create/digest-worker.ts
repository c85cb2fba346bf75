import { parentPort, workerData } from 'node:worker_threads'
import { DIGEST_BYTES, writePageDigests } from '../../format/checksum.ts'
import { pageReader, type PageFiles } from '../pages/page-reader.ts'

/*
 * A thread that reads and digests segments of a database image, each the next one that no other thread has taken.
 */

/** Bytes of the image in one segment. */
export const SEGMENT_BYTES = 4 * 1024 * 1024
export interface DigestWork {
  files: PageFiles
  size: number
  /** Segments that may wait for the main thread. */
  ahead: number
  /** Shared: the next segment that nobody has taken, and the segments that the main thread has dealt with. */
  progress: Int32Array
}

export interface DigestedSegment { segment: number, digests: Uint8Array }

if (parentPort !== null) digestSegments(workerData as DigestWork, message => { parentPort?.postMessage(message, [message.digests.buffer as ArrayBuffer]) })

function digestSegments ({ files, size, ahead, progress }: DigestWork, post: (segment: DigestedSegment) => void): void {
  const read = pageReader(files)
  const block = Buffer.allocUnsafeSlow(Math.min(SEGMENT_BYTES, size))
  for (let segment = Atomics.add(progress, 0, 1); segment * SEGMENT_BYTES < size; segment = Atomics.add(progress, 0, 1)) {
    for (let done = Atomics.load(progress, 1); segment - done > ahead; done = Atomics.load(progress, 1)) Atomics.wait(progress, 1, done)
    const offset = segment * SEGMENT_BYTES
    const raw = block.subarray(0, Math.min(SEGMENT_BYTES, size - offset))
    read(raw, offset)
    const digests = Buffer.allocUnsafeSlow(raw.length / files.pageSize * DIGEST_BYTES)
    writePageDigests(raw, files.pageSize, digests, 0)
    post({ segment, digests })
  }
}
