import t from 'tap'
import { inBatches } from '../../src/storage/in-batches.ts'

const batchesOf = async (items: Iterable<number> | AsyncIterable<number>, size: number): Promise<number[][]> => {
  const batches: number[][] = []
  for await (const batch of inBatches(items, size)) batches.push(batch)
  return batches
}

t.test('items come so many at a time, the rest last', async t => {
  t.same(await batchesOf([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]])
  t.same(await batchesOf([1, 2], 2), [[1, 2]])
  t.same(await batchesOf([], 2), [])
  t.same(await batchesOf((async function * () { yield 1 })(), 2), [[1]])
})

t.test('between two batches others have their turn', async t => {
  let turns = 0
  const batches = inBatches([1, 2], 1)
  await batches.next()
  setImmediate(() => { turns++ })
  await batches.next()
  t.equal(turns, 1)
})
