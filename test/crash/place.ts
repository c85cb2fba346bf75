import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { enginesOf, isAlive, until } from '../helpers/processes.ts'

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** A step that a process passed, as often as it says. */
export type Step = string
/** Whom to kill at a step: the process that passes it, or the host of the engine that does. */
export type Victim = 'process' | 'host'

/** A folder with a deployment that can be put back as it was. */
export class Place {
  readonly folder: string
  readonly path: string
  readonly #kept: string
  readonly #steps: string

  constructor (root: string) {
    this.folder = join(root, 'deployment')
    this.path = join(this.folder, 'app.db')
    this.#kept = join(root, 'kept')
    this.#steps = join(root, 'steps')
    rmSync(root, { recursive: true, force: true })
    this.clear()
  }

  clear (): void {
    rmSync(this.folder, { recursive: true, force: true })
    mkdirSync(this.folder, { recursive: true })
  }

  /** Keeps everything as it is now. */
  keep (): void {
    cpSync(this.folder, this.#kept, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  }

  /** Puts everything back as it was kept; at the same path, since the catalog names files. */
  putBack (): void {
    rmSync(this.folder, { recursive: true, force: true })
    cpSync(this.#kept, this.folder, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  }

  /**
   * Lets a host do something, and perhaps kills it on the way.
   * @returns the steps that were passed, each with its number, and whether the host came to its end
   */
  async run (operation: string, kill?: { at: Step, whom: Victim }): Promise<{ steps: Step[], isDone: boolean, errors: string }> {
    rmSync(this.#steps, { force: true })
    const env = { ...process.env, NODE_OPTIONS: `--import=${fileOf('./steps.ts')}`, STEPS_FILE: this.#steps, ...(kill && { KILL_AT: kill.at, KILL_WHOM: kill.whom }) }
    const host = fork(fileOf('./host.ts'), [this.path, operation], { env, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    let errors = ''
    host.stderr?.setEncoding('utf8').on('data', text => { errors += String(text) })
    const ended = once(host, 'close')
    const engines = new Set<number>()
    const look = setInterval(() => { for (const engine of enginesOf(host.pid as number)) engines.add(engine) }, 20)
    const [code] = await ended as [number | null]
    clearInterval(look)
    await until('the engines have ended with their host', () => ![...engines].some(isAlive))
    const lines = existsSync(this.#steps) ? readFileSync(this.#steps, 'utf8').split('\n').slice(0, -1) : []
    const times = new Map<string, number>()
    const steps = lines.map(line => {
      times.set(line, (times.get(line) ?? 0) + 1)
      return `${line} #${String(times.get(line))}`
    })
    return { steps, isDone: code === 0, errors }
  }
}
