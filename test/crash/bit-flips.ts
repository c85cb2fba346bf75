import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Outcome } from './flip-judges.ts'
import type { Kind } from './flip-place.ts'

const FLIPPER = fileURLToPath(new URL('flipper.ts', import.meta.url))
/** Longer than this nothing takes, on a busy machine either: it hangs. */
const DEADLINE_MS = 60_000

export type Counts = Record<string, Partial<Record<Outcome | 'problem', number>>>
type Message = { number: number, at: string, kind?: Kind, outcome: Outcome, problems: string[] }

/**
 * Turns single bits around, evenly spread over what is stored of each kind: whatever is made of them must be an error or right. Some
 * processes do it, as one of them may crash or hang.
 */
export async function flipBits (folder: string, count: number, processes: number, onProblem: (problem: string) => void): Promise<{ counts: Counts, problems: number }> {
  const counts: Counts = {}
  let problems = 0
  const add = (kind: string, outcome: Outcome | 'problem'): void => {
    const of = counts[kind] ??= {}
    of[outcome] = (of[outcome] ?? 0) + 1
    if (outcome === 'problem') problems++
  }
  const onFlip = ({ at, kind, outcome, problems }: Message): void => {
    if (kind === undefined) return
    add(kind, problems.length > 0 ? 'problem' : outcome)
    for (const problem of problems) onProblem(`${at}: ${problem}`)
  }
  const onEnd = (at: string, how: string): void => {
    add('processes', 'problem')
    onProblem(`${at}: ${how}`)
  }
  await Promise.all(Array.from({ length: processes }, async (_, index) => { await runFlipper(join(folder, String(index)), count, index, processes, onFlip, onEnd) }))
  return { counts, problems }
}

async function runFlipper (folder: string, count: number, first: number, step: number, onFlip: (message: Message) => void, onEnd: (at: string, how: string) => void): Promise<void> {
  let [next, at] = [first, 'before the first flip']
  while (next < count) {
    const begun = next
    const child = fork(FLIPPER, [folder, count, next, step].map(String), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    let watch = killLater(child)
    child.on('message', (message: Message) => {
      clearTimeout(watch)
      watch = killLater(child)
      next = message.number + step
      at = message.at
      onFlip(message)
    })
    const [code, signal] = await once(child, 'close') as [number | null, string | null]
    clearTimeout(watch)
    if (code === 0) return
    onEnd(at, signal === null ? `the process ended with ${String(code)}` : `the process was ended by ${signal}, as after ${DEADLINE_MS / 1000} s without an answer`)
    if (next === begun) return // it does not even begin
  }
}

const killLater = (child: ChildProcess): NodeJS.Timeout => setTimeout(() => { child.kill('SIGKILL') }, DEADLINE_MS)

/** One line for each kind. */
export function describe (counts: Counts): string[] {
  return Object.entries(counts).map(([kind, of]) => `  ${kind}: ${Object.values(of).reduce((sum, count) => sum + count, 0)} flips, ${Object.entries(of).map(([outcome, count]) => `${count} ${outcome}`).join(', ')}`)
}
