import t from 'tap'
import { Lane } from '../../src/schedule/lanes.ts'

t.test('only so many run at a time, in the order in which they came, whether they fail or not', async t => {
  const lane = new Lane(2)
  const [begun, ends]: [number[], Array<PromiseWithResolvers<number>>] = [[], []]
  const runs = [0, 1, 2, 3].map(async number => {
    const end = Promise.withResolvers<number>()
    ends.push(end)
    return await lane.run(async () => {
      begun.push(number)
      return await end.promise
    })
  })
  await Promise.resolve()
  t.same(begun, [0, 1])
  ends[1]!.reject(new Error('no'))
  await t.rejects(runs[1]!, { message: 'no' })
  t.same(begun, [0, 1, 2])
  for (const [number, end] of ends.entries()) end.resolve(number)
  t.same(await Promise.all([runs[0], runs[2], runs[3]]), [0, 2, 3])
  t.same(begun, [0, 1, 2, 3])
  t.equal(await lane.run(async () => 'free'), 'free')
})
