import { setImmediate as later } from 'node:timers/promises'
import t from 'tap'
import { inOrder } from '../../src/storage/in-order.ts'

t.test('results come in the order of their tasks, of which no more run than allowed', async t => {
  let [running, most] = [0, 0]
  const tasks = Array.from({ length: 10 }, (_, number) => async () => {
    most = Math.max(most, ++running)
    for (let turn = number % 3; turn >= 0; turn--) await later()
    running--
    return number
  })
  const results: number[] = []
  for await (const result of inOrder(tasks, 3)) results.push(result)
  t.same(results, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  t.equal(most, 3)
})

t.test('a task that fails does so in its turn', async t => {
  const results: unknown[] = []
  const tasks = [async () => { await later(); return 1 }, async () => { throw new Error('broken') }, async () => 3]
  await t.rejects((async () => { for await (const result of inOrder(tasks, 3)) results.push(result) })(), { message: 'broken' })
  t.same(results, [1])
})

t.test('nothing starts before it is asked for', async t => {
  let started = 0
  const results = inOrder([async () => { started++ }], 1)
  await later()
  t.equal(started, 0)
  await results.next()
  t.equal(started, 1)
})
