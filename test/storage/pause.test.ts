import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { pauseAfter } from '../../src/storage/pause.ts'

t.test('a pause gets no longer than timers can be, and ends when it is aborted', async t => {
  for (const attempt of [1, 20, 100]) {
    const abort = new AbortController()
    const pausing = pauseAfter(attempt, abort.signal)
    if (attempt > 1) await sleep(20)
    abort.abort()
    await t.rejects(pausing, { name: 'AbortError' })
  }
  await pauseAfter(1, undefined)
})
