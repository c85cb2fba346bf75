import { readFileSync } from 'node:fs'
import { LocalStorage, S3Storage, SnapshotWriter } from '../helpers/built.ts'

/*
 * A host with its snapshots in S3, or in local files and S3, that does what it is told to, and says each time by how many
 * bytes its memory has grown at most since it started.
 */
const SAMPLE_MS = 5
const { database, snapshotDir, s3, isSecond } = JSON.parse(process.argv[2] as string)
const bucket = new S3Storage(s3)
const writer = new SnapshotWriter({ database, snapshotDir, storage: isSecond ? [new LocalStorage(snapshotDir), bucket] : bucket })

const operations: Record<string, (name: string, file: string) => Promise<unknown>> = {
  create: async name => await writer.createSnapshot(name),
  get: async name => await writer.getSnapshot(name),
  restoreToFile: async (name, file) => await writer.restoreToFile(name, file),
  restore: async name => await writer.restoreFromSnapshot(name),
  verify: async name => await writer.verifySnapshot(name)
}

/** The most it ever had, as the system counts it: no sample can miss it. */
const peak = (): number => Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
const before = process.memoryUsage.rss()
let highest = before
setInterval(() => { highest = Math.max(highest, process.memoryUsage.rss()) }, SAMPLE_MS)

process.on('message', ([operation, name, file]: [string, string, string]) => {
  operations[operation]?.(name, file).then(
    result => { process.send?.({ result, growth: Math.max(highest, peak()) - before }) },
    (error: unknown) => { process.send?.({ error: String(error) }) }
  )
})
process.on('disconnect', () => { process.exit() })
process.send?.('ready')
