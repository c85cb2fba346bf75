import type { Test } from 'tap'
import type * as Package from '../../src/index.ts'

/*
 * The built package, for tests that run so many operations that its engines' quicker start counts. What they prove does not
 * show in the coverage of src, so they come on top of tests that use that.
 */
const built = new URL('../../dist/index.js', import.meta.url).href
export const { SnapshotWriter, LocalStorage, S3Storage, default: builtPlugin } = await import(built) as typeof Package

/** A writer of the built package, closed when the test ends. */
export function builtWriterFor (t: Test, path: string, options: Package.SnapshotOptions = {}): Package.SnapshotWriter {
  const writer = new SnapshotWriter({ database: path, ...options })
  t.teardown(async () => { await writer.close() })
  return writer
}
