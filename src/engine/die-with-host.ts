import { Worker } from 'node:worker_threads'

/**
 * Runs beside the main thread, which may be deep inside SQLite for seconds, and kills the process once the pipe from the
 * host (descriptor 4) closes. It is a string because a file of its own would have to be found again in every bundle.
 */
const WATCHDOG = `
  const { Socket } = require('node:net')
  const die = () => process.kill(process.pid, 'SIGKILL')
  new Socket({ fd: 4 }).on('error', die).on('close', die).resume()
`

/** Ties the life of this process to its host's: no orphan may go on changing a database. */
export function dieWithHost (): void {
  new Worker(WATCHDOG, { eval: true, execArgv: [] }).unref()
}
