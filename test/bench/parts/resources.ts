import type { Bench } from '../bench.ts'
import { folderBytes, type Place } from '../place.ts'
import { highest, peakMemoryOfEngines } from '../processes.ts'
import { inMebibytes, type Part } from '../report.ts'
import { oursAt } from '../tools/ours.ts'

const SAMPLE_MS = 20
const DISK_LIMIT = 1.02
const MEMORY_LIMIT = 160

/** Disk and memory that a creation takes, and the memory of a restore. Not timed: looking at it all the time costs too. */
export async function resources (bench: Bench): Promise<Part> {
  const seen = []
  for (const place of [bench.small(), bench.large()]) seen.push(await resourcesOf(place))
  const diskShare = Math.max(...seen.map(({ extraDisk, stored }) => extraDisk / stored))
  const memory = Math.max(...seen.map(({ creating, restoring }) => Math.max(creating, restoring))) / 2 ** 20
  return {
    title: 'Disk and memory',
    text: 'The highest sum of all bytes in the snapshot folder, temporary files included, less what was there before; and the peak resident memory of the engine process (VmHWM).',
    table: [
      ['database', 'extra disk while creating', 'against stored bytes', 'engine, creating', 'engine, restoring'],
      ...seen.map(({ bytes, extraDisk, stored, creating, restoring }) => [inMebibytes(bytes), inMebibytes(extraDisk), (extraDisk / stored).toFixed(3), inMebibytes(creating), inMebibytes(restoring)])
    ],
    bars: [
      { what: 'extra disk while creating', bar: `≤ ${DISK_LIMIT} × stored bytes`, reached: `${diskShare.toFixed(3)} ×`, isMet: diskShare <= DISK_LIMIT },
      { what: 'memory of an engine, for either size', bar: `≤ ${MEMORY_LIMIT} MiB`, reached: `${memory.toFixed(0)} MiB`, isMet: memory <= MEMORY_LIMIT }
    ]
  }
}

async function resourcesOf (place: Place) {
  const { writer, snapshotDir, end } = await oursAt(place, 'resources', { isChecking: true })
  const before = folderBytes(snapshotDir)
  const create = (name: string) => async (): Promise<unknown> => await writer.createSnapshot(name, { full: true })
  const extraDisk = await highest(SAMPLE_MS, () => folderBytes(snapshotDir), create('disk')) - before
  const creating = await peakMemoryOfEngines(process.pid, create('memory'))
  const restoring = await peakMemoryOfEngines(process.pid, async () => await writer.restoreFromSnapshot('memory'))
  const stored = (await writer.getSnapshot('disk')).storedSize as number
  await end()
  return { bytes: place.bytes, extraDisk, stored, creating, restoring }
}
