import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { abortable } from '../../src/storage/abortable-body.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

t.test('chunks that have passed are not kept, however many come', async t => {
  const body = async function * () { for (let count = 0; count < 200; count++) yield Buffer.alloc(2 ** 20) }
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  let count = 0
  for await (const chunk of abortable(body(), new AbortController().signal)) {
    count += chunk.length
    if (count % (50 * 2 ** 20) !== 0) continue
    collect()
    await sleep(20) // buffers are freed a little after their objects
    collect()
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  }
  t.equal(count, 200 * 2 ** 20)
  t.ok(most < 100 * 2 ** 20, `${most} bytes were held`)
})

for (const [how, end] of [['rejects', async () => await Promise.reject(new Error('x'))], ['throws', () => { throw new Error('x') }], ['never answers', async () => await new Promise<never>(() => {})]] as const) {
  t.test(`a body that ${how} when it is to end hinders nothing`, async t => {
    const abort = new AbortController()
    let isAsked = false
    const body = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false as const, value: Buffer.from('x') }),
        return: (): Promise<IteratorResult<Uint8Array>> => {
          isAsked = true
          return end()
        }
      })
    }
    await t.rejects(async () => { for await (const chunk of abortable(body, abort.signal)) abort.abort(new Error(`after ${chunk.length} byte`)) }, { cause: { message: 'after 1 byte' } })
    await new Promise(resolve => { setImmediate(resolve) })
    t.ok(isAsked)
  })
}
