import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { pageReader, type PageFiles } from '../pages/page-reader.ts'
import { SEGMENT_BYTES, segmentDigester } from './digest-segment.ts'

/*
 * The entry of a thread that reads and digests segments of a database image, each the next one that no other thread has taken.
 */

export interface DigestWork {
  files: PageFiles
  size: number
  /** Segments that may wait for the main thread. */
  ahead: number
  /** Shared: the next segment that nobody has taken, and the segments that the main thread has dealt with. */
  progress: Int32Array
}

export interface DigestedSegment { segment: number, digests: Uint8Array }

const { files, size, ahead, progress } = workerData as DigestWork
const digestSegment = segmentDigester({ read: pageReader(files), pageSize: files.pageSize, size })
for (let segment = Atomics.add(progress, 0, 1); segment * SEGMENT_BYTES < size; segment = Atomics.add(progress, 0, 1)) {
  for (let done = Atomics.load(progress, 1); segment - done > ahead; done = Atomics.load(progress, 1)) Atomics.wait(progress, 1, done)
  const digests = digestSegment(segment)
  const message: DigestedSegment = { segment, digests }
  ;(parentPort as MessagePort).postMessage(message, [digests.buffer as ArrayBuffer])
}
