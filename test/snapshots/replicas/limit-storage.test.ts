import t from 'tap'
import type { SnapshotRow } from '../../../src/catalog/schema.ts'
import { beyondLimits } from '../../../src/snapshots/replicas/limit-storage.ts'

const now = Date.parse('2026-01-10T00:00:00Z')
const DAY = 86_400_000
/** The newest first, a day apart. */
const rows = ['ok', 'ok', 'ok', 'ok'].map((integrity, index) => ({ id: String(index), integrity, createdAt: new Date(now - index * DAY).toISOString() })) as unknown as SnapshotRow[]
const idsBeyond = (limits: { keepLast?: number, maxAge?: number }, of = rows): string[] => beyondLimits(of, { keepLast: Infinity, maxAge: Infinity, ...limits }, now).map(({ id }) => id)

t.test('without limits nothing is beyond them', async t => {
  t.same(idsBeyond({}), [])
})

t.test('by number, by age, or both', async t => {
  t.same(idsBeyond({ keepLast: 2 }), ['2', '3'])
  t.same(idsBeyond({ maxAge: 2 * DAY }), ['3'])
  t.same(idsBeyond({ keepLast: 3, maxAge: DAY }), ['2', '3'])
})

t.test('the newest sound one stays, whatever its age and place', async t => {
  t.same(idsBeyond({ maxAge: 1 }, rows.slice(2)), ['3'])
  const damaged = rows.map((row, index) => index === 0 ? { ...row, integrity: 'failed' as const } : row)
  t.same(idsBeyond({ keepLast: 1 }, damaged), ['2', '3'])
})
