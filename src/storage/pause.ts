import { setTimeout as sleep } from 'node:timers/promises'

const FIRST_MS = 200
const LONGEST_MS = 20_000

/** Waits before the next try, longer after each. @throws AbortError when the signal is aborted */
export async function pauseAfter (attempt: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(Math.min(FIRST_MS * 2 ** (attempt - 1), LONGEST_MS), undefined, { signal })
}
