import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const script = (name: string): string => fileURLToPath(new URL(`../processes/${name}.ts`, import.meta.url))

/** Runs a script of test/processes to its end, however that comes. */
export async function runScript (name: string, ...args: string[]): Promise<void> {
  const child = fork(script(name), args)
  await once(child, 'exit')
}

/** A process that does something until it is told to stop, and then says what it has done. */
export class BackgroundScript<Report> {
  readonly child: ChildProcess
  #report: Report | undefined

  private constructor (name: string, args: string[]) {
    this.child = fork(script(name), args)
    this.child.on('message', message => { if (message !== 'ready') this.#report = message as Report })
  }

  /** Starts it and waits until it says that it is at work. */
  static async start<Report> (t: Test, name: string, ...args: string[]): Promise<BackgroundScript<Report>> {
    const background = new BackgroundScript<Report>(name, args)
    t.teardown(() => { background.child.kill('SIGKILL') })
    await once(background.child, 'message')
    return background
  }

  async stop (): Promise<Report> {
    const ended = once(this.child, 'exit')
    this.child.send('stop')
    await ended
    return this.#report as Report
  }
}
