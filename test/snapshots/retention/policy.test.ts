import fc from 'fast-check'
import t from 'tap'
import { PERIODS, spanOf } from '../../../src/snapshots/retention/periods.ts'
import type { Candidate } from '../../../src/catalog/retention.ts'
import type { RetentionPolicy, RetentionRules } from '../../../src/options-retention.ts'
import { decideRetention } from '../../../src/snapshots/retention/policy.ts'

const NOW = new Date('2026-11-23T12:00:00.000Z')
const HOUR_MS = 60 * 60 * 1000
type Policy = Omit<RetentionPolicy, 'failedMaxAge'>
const all: Policy = { scheduled: {}, manual: {}, minimum: 1, holdFactor: 0 }

function candidate (sequence: number, change: Partial<Candidate> = {}): Candidate {
  return { id: `id${sequence}`, name: `s${sequence}`, sequence, createdAt: new Date(NOW.getTime() - (1000 - sequence) * HOUR_MS).toISOString(), trigger: 'scheduled', pinned: false, integrity: 'ok', size: 1000, pageSize: 100, freePages: 0, replicas: [{ storage: 'local', state: 'STORED' }], ...change }
}

const kept = (snapshots: Candidate[], policy: Partial<Policy>): string[] => decideRetention(snapshots, { ...all, ...policy }, NOW).filter(({ isKept }) => isKept).map(({ name }) => name)
const hourly = Array.from({ length: 60 }, (_, index) => candidate(940 + index))

t.test('without rules everything stays', async t => {
  t.same(decideRetention(hourly, all, NOW).map(({ isKept, rules }) => [isKept, rules]), hourly.map((_, index) => [true, index === 0 ? ['no rule', 'minimum'] : ['no rule']]))
})

t.test('the newest so many are kept, and what is removed says that no rule keeps it', async t => {
  t.same(kept(hourly, { scheduled: { keepLast: 3 } }), ['s999', 's998', 's997'])
  t.match(decideRetention(hourly, { ...all, scheduled: { keepLast: 3 } }, NOW)[3], { name: 's996', isKept: false, rules: ['none'] })
})

t.test('of each day, hour, week, month or year the last snapshot is kept', async t => {
  t.same(kept(hourly, { scheduled: { daily: 2 } }), ['s999', 's987'], 'at eleven of today, and at 23 of yesterday')
  t.same(kept(hourly, { scheduled: { hourly: 2, daily: 2 } }), ['s999', 's998', 's987'])
  t.same(kept(hourly, { scheduled: { weekly: 2 } }), ['s999', 's987'], 'today is a Monday')
  t.same(kept(hourly, { scheduled: { monthly: 5, yearly: 5 } }), ['s999'])
})

t.test('what is too old goes, whatever else keeps it, but for the newest', async t => {
  t.same(kept(hourly, { scheduled: { keepLast: 50, maxAge: 2.5 * HOUR_MS } }), ['s999', 's998'])
  t.same(kept(hourly, { scheduled: { maxAge: 1 } }), ['s999'])
  t.match(decideRetention(hourly, { ...all, scheduled: { maxAge: 2.5 * HOUR_MS } }, NOW).map(({ rules }) => rules), [['maxAge', 'minimum'], ['maxAge'], ['maxAge']])
  t.match(decideRetention(hourly, { ...all, scheduled: { keepLast: 50, maxAge: 2.5 * HOUR_MS } }, NOW)[5], { isKept: false, rules: ['maxAge'] })
})

t.test('neither trigger pushes out the other, and pinned ones do not count', async t => {
  const manual = candidate(1, { trigger: 'manual' })
  const pinned = candidate(2, { pinned: true })
  t.same(kept([...hourly, manual, pinned], { scheduled: { keepLast: 1 } }), ['s999', 's2', 's1'])
  t.same(kept([candidate(5), candidate(4, { trigger: 'manual' }), candidate(3, { trigger: 'manual' })], { scheduled: { keepLast: 1 }, manual: { keepLast: 1 } }), ['s5', 's4'])
})

t.test('a trigger that is not known is that of somebody who asked for it', async t => {
  const unknown = candidate(1, { trigger: 'deployment' as never })
  t.same(kept([...hourly.slice(-1), unknown], { scheduled: { keepLast: 1 } }), ['s999', 's1'])
  t.same(kept([...hourly.slice(-1), unknown, candidate(2, { trigger: 'manual' })], { scheduled: { keepLast: 1 }, manual: { keepLast: 1 } }), ['s999', 's2'])
})

t.test('what is damaged is kept as evidence, and pushes out nothing sound', async t => {
  const damaged = [candidate(1001, { integrity: 'failed' }), candidate(1002, { replicas: [{ storage: 'local', state: 'DAMAGED' }] })]
  t.same(kept([...hourly, ...damaged], { scheduled: { keepLast: 1 } }), ['s1002', 's1001', 's999'])
})

t.test('a database that was emptied does not evict the snapshots from before', async t => {
  const emptied = [candidate(1000, { size: 10 }), candidate(1001, { size: 10 }), candidate(1002, { size: 10 })]
  const decisions = decideRetention([...hourly.slice(-2), ...emptied], { ...all, scheduled: { keepLast: 1 }, holdFactor: 2 }, NOW)
  t.same(decisions.map(({ name, isKept, rules }) => [name, isKept, rules]), [['s1002', true, ['keepLast', 'minimum']], ['s1001', false, ['none']], ['s1000', false, ['none']], ['s999', true, ['held']], ['s998', true, ['held']]])
})

t.test('nor does one whose rows were deleted, which leaves the file as large as it was', async t => {
  const emptied = candidate(1000, { freePages: 9 })
  t.same(kept([...hourly.slice(-1), emptied], { scheduled: { keepLast: 1 }, holdFactor: 4 }), ['s1000', 's999'])
  t.same(kept([...hourly.slice(-1), candidate(1000, { freePages: 2 })], { scheduled: { keepLast: 1 }, holdFactor: 4 }), ['s1000'], 'a few deleted rows hold nothing')
  t.same(kept([...hourly.slice(-1), candidate(1000, { freePages: null })], { scheduled: { keepLast: 1 }, holdFactor: 4 }), ['s1000'], 'nor does one that does not say')
})

t.test('spans of the calendar begin in UTC, weeks on Monday', async t => {
  for (const [period, last, first] of [
    ['hourly', '2026-11-23T11:59:59.999Z', '2026-11-23T12:00:00.000Z'], ['daily', '2026-11-22T23:59:59.999Z', '2026-11-23T00:00:00.000Z'],
    ['weekly', '2026-11-22T23:59:59.999Z', '2026-11-23T00:00:00.000Z'], ['monthly', '2026-10-31T23:59:59.999Z', '2026-11-01T00:00:00.000Z'], ['yearly', '2025-12-31T23:59:59.999Z', '2026-01-01T00:00:00.000Z']
  ] as const) t.equal(spanOf(period, new Date(first)), spanOf(period, new Date(last)) + 1, period)
  t.equal(spanOf('weekly', new Date('2026-11-23T00:00:00Z')), spanOf('weekly', new Date('2026-11-29T23:59:59Z')))
})

/** The rules as they are worded, each snapshot looked at by itself. */
function isKeptByModel (of: Candidate, snapshots: Candidate[], policy: Policy): boolean {
  const newer = (one: Candidate, other: Candidate): boolean => one.sequence > other.sequence
  const isSound = (one: Candidate): boolean => one.integrity !== 'failed' && one.replicas.some(({ state }) => state === 'STORED')
  const isTooOld = (one: Candidate): boolean => NOW.getTime() - Date.parse(one.createdAt) > (policy[one.trigger].maxAge ?? Infinity)
  const isCounted = (one: Candidate): boolean => one.trigger === of.trigger && isSound(one) && !one.pinned && !isTooOld(one)
  if (of.pinned || !isSound(of)) return true
  const soundAndNewer = snapshots.filter(one => isSound(one) && newer(one, of))
  if (soundAndNewer.length < policy.minimum) return true
  const rules: RetentionRules = policy[of.trigger]
  if (!isTooOld(of)) {
    if (rules.keepLast === undefined && PERIODS.every(period => rules[period] === undefined)) return true
    const newerCounted = snapshots.filter(one => isCounted(one) && newer(one, of))
    if (newerCounted.length < (rules.keepLast ?? 0)) return true
    for (const period of PERIODS) {
      const span = (one: Candidate): number => spanOf(period, new Date(one.createdAt))
      const isNewestOfSpan = !newerCounted.some(one => span(one) === span(of))
      if (isNewestOfSpan && new Set(newerCounted.map(span)).size < (rules[period] ?? 0)) return true
    }
  }
  const newest = snapshots.filter(isSound).reduce((a, b) => newer(a, b) ? a : b)
  return policy.holdFactor > 0 && Number(of.size) > Number(newest.size) * policy.holdFactor
}

const count = fc.option(fc.nat(6), { nil: undefined })
const rules = fc.record({ keepLast: count, hourly: count, daily: count, weekly: count, monthly: count, yearly: count, maxAge: fc.option(fc.integer({ min: 1, max: 400 * 24 * HOUR_MS }), { nil: undefined }) }, { requiredKeys: [] })
const policies: fc.Arbitrary<Policy> = fc.record({ scheduled: rules, manual: rules, minimum: fc.integer({ min: 1, max: 4 }), holdFactor: fc.constantFrom(0, 1.5, 2, 10) })
const histories = fc.array(fc.record({
  hoursAgo: fc.nat(24 * 800),
  trigger: fc.constantFrom('scheduled' as const, 'manual' as const),
  pinned: fc.nat(9).map(n => n === 0),
  integrity: fc.constantFrom('ok' as const, 'ok' as const, 'failed' as const),
  size: fc.integer({ min: 1, max: 100 }),
  state: fc.constantFrom('STORED' as const, 'STORED' as const, 'DAMAGED' as const)
}), { maxLength: 60 }).map(entries => entries.map(({ hoursAgo, state, ...rest }, index) => candidate(index, { ...rest, createdAt: new Date(NOW.getTime() - hoursAgo * HOUR_MS).toISOString(), replicas: [{ storage: 'local', state }] })))

t.test('whatever the history and the policy, it decides as the rules are worded', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(histories, policies, (snapshots, policy) => {
    for (const { id, isKept, rules } of decideRetention(snapshots, policy, NOW)) {
      if (isKept !== isKeptByModel(snapshots.find(one => one.id === id) as Candidate, snapshots, policy) || rules.length === 0) return false
    }
    return true
  }), { numRuns: 2000 }))
})

t.test('the newest sound snapshot stays under any policy, and order does not matter', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(histories, policies, (snapshots, policy) => {
    const decisions = decideRetention(snapshots, policy, NOW)
    const newest = decisions.find(({ id }) => { const { integrity, replicas } = snapshots.find(one => one.id === id) as Candidate; return integrity !== 'failed' && replicas[0]?.state === 'STORED' })
    return newest?.isKept !== false && JSON.stringify(decisions) === JSON.stringify(decideRetention(snapshots.toReversed(), policy, NOW))
  }), { numRuns: 500 }))
})
