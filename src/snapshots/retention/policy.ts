import type { Candidate } from '../../catalog/retention.ts'
import type { RetentionPolicy, RetentionRules } from '../../options-retention.ts'
import { PERIODS, spanOf, type Period } from './periods.ts'
import type { RetentionDecision } from './retention-plan.ts'

/**
 * Decides about all usable snapshots of one deployment.
 * @param snapshots in any order
 */
export function decideRetention (snapshots: readonly Candidate[], policy: Omit<RetentionPolicy, 'failedMaxAge'>, now: Date): RetentionDecision[] {
  const newestFirst = snapshots.toSorted((a, b) => b.sequence - a.sequence)
  const keeping = new Map<string, string[]>(newestFirst.map(({ id }) => [id, []]))
  const rulesFor = ({ id }: Candidate): string[] => keeping.get(id) as string[]
  const keep = (rule: string, kept: readonly Candidate[]): void => { for (const snapshot of kept) rulesFor(snapshot).push(rule) }
  const sound = newestFirst.filter(isSound)
  const tooOld = new Set<string>()
  for (const trigger of ['scheduled', 'manual'] as const) {
    const rules = policy[trigger]
    const counted = sound.filter(snapshot => isScheduled(snapshot) === (trigger === 'scheduled') && !snapshot.pinned)
    for (const { id } of counted.filter(({ createdAt }) => now.getTime() - Date.parse(createdAt) > (rules.maxAge ?? Infinity))) tooOld.add(id)
    for (const [rule, kept] of keptBy(rules, counted.filter(({ id }) => !tooOld.has(id)))) keep(rule, kept)
  }
  keep('pinned', newestFirst.filter(({ pinned }) => pinned))
  keep('evidence', newestFirst.filter(snapshot => !snapshot.pinned && !isSound(snapshot)))
  keep('minimum', sound.slice(0, policy.minimum))
  const [newest] = sound
  const isKept = (snapshot: Candidate): boolean => rulesFor(snapshot).length > 0
  keep('held', newestFirst.filter(snapshot => !isKept(snapshot) && isMuchLarger(snapshot, newest, policy.holdFactor)))
  return newestFirst.map(snapshot => ({
    id: snapshot.id,
    name: snapshot.name,
    trigger: snapshot.trigger,
    createdAt: snapshot.createdAt,
    isKept: isKept(snapshot),
    rules: isKept(snapshot) ? rulesFor(snapshot) : [tooOld.has(snapshot.id) ? 'maxAge' : 'none']
  }))
}

/** What is kept of snapshots that count, the newest first, by each rule. */
function keptBy ({ keepLast, maxAge, ...periods }: RetentionRules, newestFirst: readonly Candidate[]): Array<[string, readonly Candidate[]]> {
  const wanted = PERIODS.filter(period => periods[period] !== undefined)
  if (keepLast === undefined && wanted.length === 0) return [[maxAge === undefined ? 'no rule' : 'maxAge', newestFirst]]
  return [
    ['keepLast', newestFirst.slice(0, keepLast ?? 0)],
    ...wanted.map((period): [string, Candidate[]] => [period, newestOfEach(period, newestFirst).slice(0, periods[period])])
  ]
}

function newestOfEach (period: Period, newestFirst: readonly Candidate[]): Candidate[] {
  return [...Map.groupBy(newestFirst, ({ createdAt }) => spanOf(period, new Date(createdAt))).values()].map(([newest]) => newest as Candidate)
}

/** What another version may have made for a reason of its own is kept as what somebody asked for. */
const isScheduled = ({ trigger }: Candidate): boolean => trigger === 'scheduled'

/** Of a damaged database, or damaged in every storage, it is no snapshot to count on, and may be what an investigation needs. */
const isSound = ({ integrity, replicas }: Candidate): boolean => integrity !== 'failed' && replicas.some(({ state }) => state === 'STORED')

function isMuchLarger (snapshot: Candidate, newest: Candidate | undefined, factor: number): boolean {
  return factor > 0 && newest !== undefined && contentBytes(snapshot) > contentBytes(newest) * factor
}

/** Rows that are deleted leave the file as large as it was, with pages that hold nothing. */
function contentBytes ({ size, pageSize, freePages }: Candidate): number {
  return Number(size) - Number(freePages) * Number(pageSize)
}
