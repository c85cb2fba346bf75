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
