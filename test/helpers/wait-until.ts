import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 25
const LIMIT_MS = 60_000

/** Waits until a condition gives something true, and gives that back; fails after a generous limit. */
export async function waitUntil<T> (what: string, condition: () => T | Promise<T>): Promise<Exclude<T, false | null | undefined>> {
  const deadline = Date.now() + LIMIT_MS
  for (;;) {
    const outcome = await condition()
    if (outcome) return outcome as Exclude<T, false | null | undefined>
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await sleep(POLL_MS)
  }
}
