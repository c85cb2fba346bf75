import type { RetentionPolicy } from '../../options-retention.ts'
import type { Trigger } from '../snapshot.ts'

/** What is to become of a snapshot, and by which rules. */
export interface RetentionDecision {
  id: string
  name: string
  trigger: Trigger
  createdAt: string
  isKept: boolean
  /** Rules that keep it (`keepLast`, `daily`, `pinned`, `minimum`, `held` …), or the one that removes it: `maxAge`, or `none` that keeps it. */
  rules: string[]
}

/** What retention makes of each snapshot of this deployment. */
export interface RetentionPlan {
  database: string
  /** The rules by which it was decided. */
  policy: RetentionPolicy
  /** Of each usable snapshot, the newest first. */
  snapshots: RetentionDecision[]
  /** How many are kept only because the newest one is so much smaller. */
  held: number
  /** Failed creations that have been in the list for long enough. */
  failed: Array<{ id: string, name: string, createdAt: string }>
}

export interface RetentionResult extends RetentionPlan {
  /** Names of the snapshots that were deleted. */
  removed: string[]
}

export interface RetentionRun {
  /** Whether also those are deleted that are held, as the database became smaller on purpose. Default false. */
  includeHeld?: boolean
}
