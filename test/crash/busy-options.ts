import type { SnapshotOptions } from '../../src/index.ts'

/** No backup is removed: what an application has committed must be in one of them, or live. */
export const BUSY_OPTIONS: SnapshotOptions = { preRestoreBackups: { keepLast: 10_000 } }
