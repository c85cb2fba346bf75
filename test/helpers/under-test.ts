import snapshots, { SnapshotWriter } from '../../src/index.ts'

/** What hosts and writers of the tests are made of: the sources, whose coverage is collected, unless use-built.ts says otherwise. */
export const underTest = { snapshots, SnapshotWriter }
