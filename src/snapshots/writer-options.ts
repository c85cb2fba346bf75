import type { LatestOptions, Snapshot } from './snapshot.ts'

export interface CreateOptions {
  /** Words of one's own, kept with the snapshot. */
  labels?: Record<string, string>
  /** Store everything anew, sharing nothing with earlier snapshots. Default false: only pages that changed since the last one are stored. */
  full?: boolean
  /** Keep a snapshot of a damaged database as evidence. Default: the option of the same name. */
  allowDamaged?: boolean
  /** Who asked for it; scheduled snapshots are removed when newer ones have come. Default `manual`. */
  trigger?: Snapshot['trigger']
  /** Called when the snapshot's place is taken, with status CREATING. */
  onCreating?: (snapshot: Snapshot) => void
}

export interface ListOptions {
  /** Snapshots on one page, 1 to 1000. Default 100. */
  limit?: number
  /** `nextCursor` of the page before. */
  cursor?: string
  status?: Snapshot['status']
  /** `desc`, the default: the newest first. */
  order?: 'asc' | 'desc'
}

export interface RestoreTablesOptions extends LatestOptions {
  /** `replace`, the default: the tables get the snapshot's rows. `missing-rows`: rows are added whose key is not there. */
  mode?: 'replace' | 'missing-rows'
}

export interface RestoreOptions extends LatestOptions {
  /** Restore also a snapshot of a damaged database, kept as evidence. Default false. */
  allowDamaged?: boolean
}
