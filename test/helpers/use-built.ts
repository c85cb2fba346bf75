import { builtPlugin, SnapshotWriter } from './built.ts'
import { underTest } from './under-test.ts'

/* Imported by tests of so many operations that the quicker start of the built package's engines counts. */
Object.assign(underTest, { snapshots: builtPlugin, SnapshotWriter })
