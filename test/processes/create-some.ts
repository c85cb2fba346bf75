import { SnapshotWriter } from '../helpers/built.ts'

/* Creates some snapshots at once and says how each ended. */
const writer = new SnapshotWriter({ database: process.argv[2] as string })
const outcomes = await Promise.allSettled(Array.from({ length: Number(process.argv[3]) }, async () => await writer.createSnapshot()))
await writer.close()
process.send?.(outcomes.map(outcome => outcome.status === 'fulfilled' ? outcome.value.status : outcome.reason.code))
