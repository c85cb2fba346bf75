import { appendFileSync, readFileSync } from 'node:fs'

/*
 * Loaded into a host and its engines by NODE_OPTIONS: notes each step they pass in a file, and at one of them ends the process
 * that passes it, or its host, by SIGKILL.
 */
const { STEPS_FILE, KILL_AT, KILL_WHOM } = process.env
const process_ = /engine.child/.test(process.argv[1] ?? '') ? 'engine' : 'host'

function pass (name: string): void {
  const step = `${process_}: ${name}`
  appendFileSync(STEPS_FILE as string, `${step}\n`)
  const times = readFileSync(STEPS_FILE as string, 'utf8').split('\n').filter(line => line === step).length
  if (`${step} #${times}` !== KILL_AT) return
  if (KILL_WHOM === 'process') process.kill(process.pid, 'SIGKILL')
  process.kill(process.ppid, 'SIGKILL')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) // an engine does nothing more until its host's end ends it
}

if (STEPS_FILE !== undefined) Object.assign(globalThis, { [Symbol.for('fastify-sqlite-snapshots.step')]: pass })
