import { setImmediate as nextTurn } from 'node:timers/promises'

/** Items so many at a time. Between two batches everything else has its turn. */
export async function * inBatches<T> (items: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = []
  for await (const item of items) {
    batch.push(item)
    if (batch.length < size) continue
    yield batch
    batch = []
    await nextTurn()
  }
  if (batch.length > 0) yield batch
}
