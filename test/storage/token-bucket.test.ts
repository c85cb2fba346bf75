import t from 'tap'
import { realClock, TokenBucket } from '../../src/storage/token-bucket.ts'
import { TestClock } from '../helpers/test-clock.ts'

const never = new AbortController().signal

t.test('bytes pass at the given rate, however they are cut and whoever asks for them', async t => {
  const clock = new TestClock()
  const bucket = new TokenBucket(1000, clock)
  await bucket.take(100, never)
  t.equal(clock.now(), 0, 'what a tenth of a second brings may pass at once')
  await bucket.take(500, never)
  t.equal(clock.now(), 500)
  for (let byte = 0; byte < 1000; byte++) await bucket.take(1, never)
  t.ok(Math.abs(clock.now() - 1500) < 1e-6)
  await Promise.all([bucket.take(1000, never), bucket.take(2000, never)])
  t.ok(Math.abs(clock.now() - 4500) < 1e-6)
})

t.test('a pause gives no more than a tenth of a second of credit', async t => {
  const clock = new TestClock()
  const bucket = new TokenBucket(1000, clock)
  await bucket.take(100, never)
  clock.advance(3_600_000)
  await bucket.take(1100, never)
  t.equal(clock.now(), 3_601_000)
})

t.test('waits longer than any timer are possible', async t => {
  const clock = new TestClock()
  await new TokenBucket(1, clock).take(10_000_000, never)
  t.equal(clock.now(), 10_000_000_000 - 100)
  t.ok(clock.longestSleep <= 60_000)
})

t.test('whoever waits in vain is told at once, by the reason', async t => {
  const bucket = new TokenBucket(1, realClock)
  const abort = new AbortController()
  const waiting = bucket.take(1_000_000, abort.signal)
  abort.abort(new Error('changed my mind'))
  await t.rejects(waiting, { message: 'changed my mind' })
  await t.rejects(bucket.take(1, abort.signal), { message: 'changed my mind' })
})

t.test('the real clock goes on', async t => {
  const before = realClock.now()
  await new TokenBucket(1000, realClock).take(105, never)
  t.ok(realClock.now() > before)
})
