import { execFileSync } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import type { TaskName } from '../../src/engine/messages.ts'
import { runEngine } from '../../src/engine/engine.ts'
import type { Recoverable } from './recoverable.ts'

/**
 * Brings a deployment into the state that a process leaves which is killed just when an engine's task begins, or has ended: all of
 * its files are as they were in that moment. The writer is closed; whoever looks at them next is another process.
 */
export async function killedAt ({ folder, context, writer }: Recoverable, moment: 'before' | 'after', task: TaskName, operation: () => Promise<unknown>): Promise<void> {
  const killed = `${folder}.killed`
  let isKilled = false
  const kill = (): void => {
    if (isKilled) return
    isKilled = true
    execFileSync('cp', ['-a', folder, killed]) // by another process, as this one must keep its locks
  }
  context.runEngine = async (name, input, options) => {
    if (name === task && moment === 'before') kill()
    const result = await runEngine(name, input, options)
    if (name === task) kill()
    return result
  }
  await operation()
  await writer.close()
  rmSync(folder, { recursive: true })
  renameSync(killed, folder)
}
