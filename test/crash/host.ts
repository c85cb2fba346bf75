import { SnapshotWriter } from '../helpers/built.ts'
import { operations } from './operations.ts'

/* A host that does one thing, and ends. */
const [, , path, name] = process.argv as [string, string, string, string]
const writer = new SnapshotWriter({ database: path })
try {
  await operations[name]?.run(writer)
} finally {
  await writer.close()
}
