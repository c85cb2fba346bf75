import { fork, type ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { deserializeError, EngineFailedError } from '../errors.ts'
import type { EngineEvent, FromEngine, TaskName, Tasks, ToEngine } from './messages.ts'

const CHILD = fileURLToPath(new URL(`./child${extname(import.meta.url)}`, import.meta.url))
const STDERR_KEPT = 2000

type Outcome<T> = { result: T } | { error: unknown }

export interface EngineOptions {
  /** Kills the engine when aborted; the result is then rejected with the signal's reason. */
  signal?: AbortSignal
  /** `low`, the default, keeps the host's latency; `normal` is for the engine that holds the live database's write lock. */
  priority?: 'low' | 'normal'
  /** Called for each event; the engine goes on when it resolves and is killed when it throws. */
  onEvent?: (event: EngineEvent, engine: Engine<TaskName>) => void | Promise<void>
}

/**
 * One engine process at work: everything that touches a database file happens in one of these, never in the host (POSIX
 * locks belong to a process, so a second descriptor or a second SQLite in the host would silently drop the host's own).
 * It dies when its host does, however that ends.
 */
export class Engine<K extends TaskName> {
  /** Settles when the process is gone: with its answer, or the error that ended it. */
  readonly result: Promise<Tasks[K]['result']>
  readonly #child: ChildProcess
  readonly #options: EngineOptions
  #outcome: Outcome<Tasks[K]['result']> | undefined
  #stderr = ''

  constructor (task: K, input: Tasks[K]['input'], options: EngineOptions = {}) {
    const { signal, priority = 'low' } = options
    signal?.throwIfAborted()
    this.#options = options
    // Pipe 4 is never written to: when the host is gone it closes, and the engine's watchdog sees that.
    this.#child = fork(CHILD, [priority], { execArgv: [], serialization: 'advanced', stdio: ['pipe', 'ignore', 'pipe', 'ipc', 'pipe'] })
    const abort = (): void => { this.kill(signal?.reason) }
    signal?.addEventListener('abort', abort, { once: true })

    const ended = new Promise<void>(resolve => {
      this.#child.once('close', (code, killedBy) => {
        this.#settle({ error: new EngineFailedError(`${task}, ${killedBy ?? `exit code ${String(code)}`}${this.#stderr === '' ? '' : `: ${this.#stderr.trim()}`}`) })
        resolve()
      })
      this.#child.once('error', error => {
        this.#settle({ error: new EngineFailedError(task, { cause: error }) })
        resolve()
      })
    })
    this.result = ended.then(() => {
      signal?.removeEventListener('abort', abort)
      const outcome = this.#outcome as Outcome<Tasks[K]['result']>
      if ('error' in outcome) throw outcome.error
      return outcome.result
    })
    this.result.catch(() => {})
    this.#child.on('message', message => { void this.#receive(message as FromEngine) })
    this.#child.stderr?.setEncoding('utf8').on('data', text => { this.#stderr = (this.#stderr + String(text)).slice(-STDERR_KEPT) })
    this.#child.stdin?.on('error', () => {}) // an engine that ends early says why in its answer
    this.#send({ type: 'run', task, input })
  }

  /** Where bytes for the engine go. */
  get input (): Writable {
    return this.#child.stdin as Writable
  }

  /** Ends the process at once; whatever SQLite transaction it had is rolled back. */
  kill (reason: unknown): void {
    this.#settle({ error: reason })
    this.#child.kill('SIGKILL')
  }

  async #receive (message: FromEngine): Promise<void> {
    if (message.type === 'result') return this.#settle({ result: message.result as Tasks[K]['result'] })
    if (message.type === 'error') return this.#settle({ error: deserializeError(message.error) })
    try {
      await this.#options.onEvent?.(message.event, this as unknown as Engine<TaskName>)
      this.#send({ type: 'acknowledge' })
    } catch (error) {
      this.kill(error)
    }
  }

  #send (message: ToEngine): void {
    this.#child.send(message, () => {}) // a message to an engine that has ended is moot
  }

  #settle (outcome: Outcome<Tasks[K]['result']>): void {
    this.#outcome ??= outcome
  }
}

/** Runs one task in a process of its own. */
export async function runEngine<K extends TaskName> (task: K, input: Tasks[K]['input'], options?: EngineOptions): Promise<Tasks[K]['result']> {
  return await new Engine(task, input, options).result
}
