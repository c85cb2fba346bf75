import t from 'tap'
import { Ticks } from '../../src/schedule/ticks.ts'

const at = (time: string): Date => new Date(time)
const iso = (date: Date | undefined): string | undefined => date?.toISOString()

t.test('the last tick is that of the moment itself, or the one before; the next one is behind it', async t => {
  const ticks = new Ticks('0 */6 * * *', 'UTC')
  t.equal(iso(ticks.last(at('2026-11-23T12:00:00.000Z'))), '2026-11-23T12:00:00.000Z')
  t.equal(iso(ticks.last(at('2026-11-23T11:59:59.999Z'))), '2026-11-23T06:00:00.000Z')
  t.equal(iso(ticks.next(at('2026-11-23T12:00:00.000Z'))), '2026-11-23T18:00:00.000Z')
  const seconds = new Ticks('* * * * * *', undefined)
  t.equal(iso(seconds.last(at('2026-11-23T12:00:00.700Z'))), '2026-11-23T12:00:00.000Z')
})

t.test('an hour that a clock skips has its run at the next moment there is, and one that it repeats has one run', async t => {
  const daily = new Ticks('30 2 * * *', 'Europe/Vienna')
  t.equal(iso(daily.next(at('2026-03-28T12:00:00Z'))), '2026-03-29T01:30:00.000Z', 'there is no half past two on this day: it is half past three')
  t.equal(iso(daily.next(at('2026-10-24T12:00:00Z'))), '2026-10-25T00:30:00.000Z', 'the first half past two')
  t.equal(iso(daily.next(at('2026-10-25T00:30:00Z'))), '2026-10-26T01:30:00.000Z', 'and not the second')
})

t.test('an expression may have no tick any more, or none yet', async t => {
  const past = new Ticks('0 0 0 1 1 * 2020', 'UTC')
  t.equal(past.next(at('2026-01-01T00:00:00Z')), undefined)
  t.equal(past.last(at('2019-01-01T00:00:00Z')), undefined)
})

t.test('rare days have a last tick as well', async t => {
  const now = at('2026-11-23T12:00:00Z')
  t.equal(iso(new Ticks('0 5 29 2 *', 'UTC').last(now)), '2024-02-29T05:00:00.000Z')
  t.equal(iso(new Ticks('0 5 31 3,6,9,12 *', 'UTC').last(now)), '2026-03-31T05:00:00.000Z')
  t.equal(iso(new Ticks('0 5 1 * *', 'UTC').last(now)), '2026-11-01T05:00:00.000Z')
  t.equal(iso(new Ticks('* * 3 * * *', 'UTC').last(now)), '2026-11-23T03:59:59.000Z')
  t.equal(iso(new Ticks('0 0 30 2 *', 'UTC').last(now)), undefined, 'there is no thirtieth of February')
})

t.test('turns are spread by name, always the same, and never over more than half of the time to the next tick', async t => {
  const daily = new Ticks('0 0 * * *', 'UTC')
  const tick = at('2026-11-23T00:00:00.000Z')
  const delays = Array.from({ length: 100 }, (_, number) => daily.delayMs(`tenant-${number}`, tick, 30_000))
  t.same(delays, Array.from({ length: 100 }, (_, number) => daily.delayMs(`tenant-${number}`, tick, 30_000)))
  t.ok(Math.max(...delays) < 30_000 && Math.max(...delays) > 25_000 && Math.min(...delays) < 5_000)
  t.ok(new Set(delays).size > 90)
  t.equal(daily.delayMs('any', tick, 0), 0)
  const seconds = new Ticks('* * * * * *', 'UTC')
  t.ok(Array.from({ length: 100 }, (_, number) => seconds.delayMs(`tenant-${number}`, tick, 30_000)).every(delay => delay < 500))
  t.ok(new Ticks('0 0 0 1 1 * 2026', 'UTC').delayMs('any', at('2026-01-01T00:00:00Z'), 1000) < 1000, 'also where there is no next one')
})
