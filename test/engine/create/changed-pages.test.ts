import t from 'tap'
import { isWorthSharing } from '../../../src/engine/create/changed-pages.ts'

t.test('up to a half of the pages may change before a full snapshot is better', async t => {
  t.ok(isWorthSharing({ count: 500 }, 1000, 10))
  t.notOk(isWorthSharing({ count: 501 }, 1000, 10))
})

t.test('a map of more runs than a reader should take into memory is not made longer', async t => {
  t.ok(isWorthSharing({ count: 1_000_000 }, 100_000_000, 6_388_608))
  t.notOk(isWorthSharing({ count: 1_000_001 }, 100_000_000, 6_388_608))
})
